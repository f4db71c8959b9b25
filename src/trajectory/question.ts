/** A seed question with its accepted answers, as every dataset reader yields it. */
export interface Question {
  id: string;
  question: string;
  answers: string[]; // empty when unknown
  /** The dataset's own level, type, hops and the like. */
  tags?: Record<string, string>;
}

/** A unit of search: an index holds passages, and a search returns them. */
export interface Passage {
  /** Title of the article. May be empty. */
  title: string;
  /** The text that is searched and shown. */
  text: string;
}

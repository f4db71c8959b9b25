/** A unit of search: what an index holds and a search returns. */
export interface Passage {
  title: string;
  text: string;
}

import { atOnce } from "../../../../src/async/slices.js";
import { parseJson } from "../../../../src/files/parse-json.js";
import { mutateJsonText, mutateText } from "../mutate.js";
import { type FuzzedParser, must } from "../parser.js";

const SEEDS = [
  { a: [1, 2, { b: "x,y" }], "c\\d": "]}", e: {}, f: [], g: [[[[[[[[1]]]]]]]], __h: null },
  [{ a: 1 }, { a: 2 }, 'long text, with commas, and "quotes"', 1e5, true],
];
const WORDS = [",", ",,", ":", "{", "}", "[", "]", '"', "\\", '"__proto__":1', '"a":', "1", " ", "\n"];

/** JSON that is parsed in slices is what JSON.parse gives, or is refused as JSON.parse refuses it. */
export const jsonSlices: FuzzedParser = {
  name: "json-slices",
  input: (random) =>
    mutateText(random, [mutateJsonText(random, SEEDS)], random.integer(0, 1) ? WORDS : [" "]),
  read: (input) => {
    const read = atOnce(parseJson(input, 4));
    must(JSON.stringify(read) === JSON.stringify(JSON.parse(input)), "slices give the value of JSON.parse");
    return read;
  },
  refuses: (error) => error instanceof SyntaxError,
};

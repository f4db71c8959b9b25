import { readNumber } from "../../../../src/answers/numbers/read-number.js";
import { mutateText } from "../mutate.js";
import { type FuzzedParser, must } from "../parser.js";

const WORDS = [
  "0",
  "5",
  "12",
  "1,250",
  "3.5",
  "½",
  "1½",
  " 1/2",
  "-",
  "–",
  "−",
  "minus ",
  "negative ",
  "%",
  " percent",
  "$",
  "€",
  "£",
  " dozen",
  "k",
  "M",
  " million",
  "e5",
  "×10^3",
  "^2",
  "\\frac{1}{2}",
  "\\boxed{",
  "}",
  "{,}",
  "#### ",
  "the answer is ",
  "twenty",
  "-five",
  "hundred",
  " and ",
  " or ",
  "=",
  "+",
  "*",
  "/",
  "(",
  ")",
  "th",
  "st",
  ":",
  ".",
  ",",
  "'",
  " ",
  "\u00a0",
  "\u2009",
  "１８",
  "٣",
  "π",
  "≈",
  "<",
  ">",
  "~",
  "km",
  "m²",
  "\n",
  "; ",
  "to ",
  "half",
  "a ",
  "½",
  "!",
  "x",
];
const SEEDS = [
  "18",
  "-5",
  "$1,250.50",
  "10 apples",
  "50 %",
  "1½ cups",
  "2 dozen",
  "1.5M",
  "\\boxed{9{,}500}",
  "#### 72",
  "18 = 9 * 2",
  "The answer is minus 8.",
  "twenty-five dollars",
  "2\\frac{1}{2}",
  "3.2e5 m",
  "1 250,5",
  "３００",
  "(18)",
];

/** "-", "minus" or a further digit in front of or behind the only number of a text changes what is read, or nothing is. */
export const numbers: FuzzedParser = {
  name: "numbers",
  input: (random) => mutateText(random, SEEDS, WORDS),
  read: (text) => {
    const read = readNumber(text);
    if (read === undefined) return read;
    must(Number.isFinite(read.value), "a number is finite");
    const { value } = read;
    if (value > 0 && !/answer/i.test(text) && /^\d[\d.,]*[^\d\p{N}]*$/u.test(text)) {
      for (const sign of ["-", "−", "–", "- ", "minus ", "negative "]) {
        const negative = readNumber(sign + text);
        must(
          negative === undefined || negative.value <= 0,
          `"${sign}" in front makes a number negative or unread`,
        );
      }
    }
    if (value > 1 && value < 1e15 && /^\d+(?:,\d{3})*$/.test(text)) {
      for (const more of [
        "7",
        "½",
        "e2",
        "k",
        "/3",
        " dozen",
        " million",
        ":30",
        "^2",
        "th",
        " or 9",
        "-9",
      ]) {
        const longer = readNumber(text + more);
        must(longer?.value !== value, `a number is not read without the ${more} that follows it`);
      }
    }
    return read;
  },
};

/**
 * One spelling for text that holds numbers: digits of every script become ASCII, dashes that are signs become "-",
 * "½" becomes "1/2", "10³" becomes "10^3", arrows and "≈" become "=". LaTeX, Markdown and HTML markup is removed.
 * A LaTeX command that is not known stays, backslash included, so that its reader sees that something is missing.
 */

/** Spaces around a part keep it from growing together with a digit next to it: "1½" is "1 1/2", not "11/2". */
export function plainText(text: string): string {
  const characters = text
    .replace(/\p{Cf}/gu, "") // zero-width characters and marks of direction
    .replace(
      /[\u207a\u207b]?[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+/gu,
      (power) => `^${power.normalize("NFKC")}`,
    )
    .replace(/[\u00bc-\u00be\u2150-\u215e\u2189]/gu, (fraction) => ` ${fraction.normalize("NFKC")} `)
    .replace(/[^\p{No}]+/gu, (rest) => rest.normalize("NFKC"))
    .replace(/\p{Nd}/gu, digit)
    .replace(/[\u2010-\u2013\u2212\u2043\u02d7\u2796]/g, "-")
    .replace(/[\u2014\u2015](?=[\p{Sc}\d.])/gu, "-")
    .replace(/\u2044/g, "/") // the slash of "1⁄4"
    .replace(/\u066b/g, ".") // the Arabic decimal separator
    .replace(/\u066c/g, ",")
    .replace(/[\u00b4\u02b9\u02bc\u2019\u2032]/g, "'");
  return withoutMarkup(withoutLatex(characters))
    .replace(/[\u00d7\u2715\u00b7\u22c5\u2219\u2217]/g, "*")
    .replace(/\u00f7/g, "/")
    .replace(/!=/g, "\u2260")
    .replace(/<=>|<->|[-=]+>|[\u2192\u21d2\u27f6]|[:=]=|~=|[\u2248\u2243\u2245\u2250\u2261]/g, "=")
    .replace(/(?<=^|[\s=(:])~\s*(?=[-\p{Sc}\d.])/gu, "")
    .replace(/(?<![\p{L}\d])(USD|EUR|GBP|INR|CAD|AUD|JPY|CNY|CHF|Rs)(?=\d)/gu, "$1 ")
    .replace(/[ \t\u2028\u2029]+/g, " ");
}

/** The digits of a script are contiguous, so that a digit's value is its distance from the first, modulo ten. */
function digit(character: string): string {
  let code = character.codePointAt(0)!;
  if (code < 0x80) return character;
  let distance = 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(--code))) distance++;
  return String(distance % 10);
}

const COMMANDS: readonly (readonly [RegExp, string])[] = [
  [/\{,\}/g, ","],
  [/\\!/g, ""],
  [/\\[,;: ]|\\q?quad\b|(?<=\d)~(?=\d{3})/g, " "],
  [/\\(?:left|right|displaystyle|limits)(?![a-zA-Z])/g, ""],
  [/\\[()[\]]/g, " "],
  [/\^\s*\{?\s*\\circ\s*\}?|\\degree(?![a-zA-Z])/g, "\u00b0"],
  [/\\(?:cdot|times|ast)(?![a-zA-Z])/g, "*"],
  [/\\div(?![a-zA-Z])/g, "/"],
  [/\\(?:approx|simeq|equiv|to|implies|[rR]ightarrow)(?![a-zA-Z])/g, "="],
  [/\\[dlc]?dots(?![a-zA-Z])/g, "..."],
  [/\\textdollar(?![a-zA-Z])/g, "$"],
  [/\\([$%#&_])/g, "$1"],
  [/\\text\s*\{(st|nd|rd|th)\}/g, "$1"],
  [/\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|boxed|fbox)\s*\{([^{}]*)\}/g, " $1 "],
  [/\\[dtc]?frac\s*(?:\{([^{}]*)\}|(\d))\s*(?:\{([^{}]*)\}|(\d))/g, " $1$2\u2215$3$4 "],
  [/\^\s*\{\s*([-+]?\d+)\s*\}/g, "^$1"],
  [/(?<=[\p{L}\p{N})])_\s*\{\s*(\w*)\s*\}/gu, "_$1"], // an index belongs to its name
];

function withoutLatex(text: string): string {
  if (!/[\\{]/.test(text)) return text;
  let plain = text;
  for (const [command, replacement] of COMMANDS) plain = plain.replace(command, replacement);
  // "-\frac{1}{2}": the sign belongs to the fraction. A fraction of anything but two numbers stays unread.
  return plain
    .replace(/([-+]) +(?=\d+\u2215)/g, "$1")
    .replace(/(?<![\w.)]) *(-?\d+)\u2215(\d+)/g, "$1/$2")
    .replace(/(?<=[\d]) +(\d+)\u2215(\d+)/g, " $1/$2")
    .replace(/\u2215/g, "\\frac")
    .replace(/[{}]/g, " ")
    .replace(/ +\^/g, "^");
}

function withoutMarkup(text: string): string {
  return text
    .replace(/~~|<\/?(?:s|strike|del)>/gi, "\\") // struck out: what is left of it is not certain
    .replace(/<\/?[a-zA-Z][^<>]*>/g, " ")
    .replace(/(?<![\w)*])(\*\*|__|[`*_])(?=\S)([^*`\n]*?\S)\1(?![\w(*])/g, "$2");
}

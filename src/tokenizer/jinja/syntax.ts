/** Template source to syntax tree: Jinja's white-space rules as transformers sets them, then the parser of @huggingface/jinja. */
import * as jinja from "@huggingface/jinja";

/** The parts of the package used here; its own declarations do not resolve under NodeNext. */
const { parse, tokenize } = jinja as unknown as {
  parse(tokens: unknown): { body: Node[] };
  tokenize(source: string): unknown;
};

interface Of<T extends string> {
  type: T;
}
export interface Identifier extends Of<"Identifier"> {
  value: string;
}
export interface Keyword extends Of<"KeywordArgumentExpression"> {
  key: Identifier;
  value: Node;
}
export type Parameter = Identifier | Keyword;
export interface Call extends Of<"CallExpression"> {
  callee: Node;
  args: Node[];
}
export interface For extends Of<"For"> {
  loopvar: Node;
  iterable: Node;
  body: Node[];
  defaultBlock: Node[];
}
export interface SetNode extends Of<"Set"> {
  assignee: Node;
  value: Node | null;
  body: Node[];
}
export interface Macro extends Of<"Macro"> {
  name: Identifier;
  args: Parameter[];
  body: Node[];
}
export interface CallStatement extends Of<"CallStatement"> {
  call: Call;
  callerArgs: Parameter[] | null;
  body: Node[];
}
interface Two {
  operator: { value: string };
  left: Node;
  right: Node;
}

export type Node =
  | Identifier
  | Keyword
  | Call
  | For
  | SetNode
  | Macro
  | CallStatement
  | (Of<"If"> & { test: Node; body: Node[]; alternate: Node[] })
  | Of<"Break">
  | Of<"Continue">
  | Of<"Comment">
  | (Of<"FilterStatement"> & { filter: Identifier | Call; body: Node[] })
  | (Of<"IntegerLiteral"> & { value: number })
  | (Of<"FloatLiteral"> & { value: number })
  | (Of<"StringLiteral"> & { value: string })
  | (Of<"ArrayLiteral"> & { value: Node[] })
  | (Of<"TupleLiteral"> & { value: Node[] })
  | (Of<"ObjectLiteral"> & { value: Map<Node, Node> })
  | (Of<"MemberExpression"> & { object: Node; property: Node; computed: boolean })
  | (Of<"SliceExpression"> & { start?: Node; stop?: Node; step?: Node })
  | (Of<"BinaryExpression"> & Two)
  | (Of<"UnaryExpression"> & { operator: { value: string }; argument: Node })
  | (Of<"FilterExpression"> & { operand: Node; filter: Identifier | Call })
  | (Of<"TestExpression"> & { operand: Node; negate: boolean; test: Identifier })
  | (Of<"SelectExpression"> & { lhs: Node; test: Node })
  | (Of<"Ternary"> & { condition: Node; trueExpr: Node; falseExpr: Node })
  | (Of<"SpreadExpression"> & { argument: Node })
  | (Of<"KeywordSpreadExpression"> & { argument: Node });

/** Longer runs of blanks make the package's pattern for `{% generation %}` quadratic. */
const LONGEST_BLANK = 500;

export function parseTemplate(source: string): Node[] {
  if (new RegExp(`\\s{${LONGEST_BLANK}}`).test(source)) {
    throw new SyntaxError(`it has a run of more than ${LONGEST_BLANK} blanks`);
  }
  return parse(tokenize(normalize(source))).body;
}

/**
 * What jinja2 does before it parses: every line ends in \n and the last line end goes; with lstrip_blocks and
 * trim_blocks, as transformers sets them, blanks before a block on its line and the line end after it go too.
 */
function normalize(source: string): string {
  return source
    .replace(/\r\n?/g, "\n")
    .replace(/\n$/, "")
    .replace(/^[ \t]+(?=\{[#%](?!\+))/gm, "")
    .replace(/([#%]\})\n/g, "$1");
}

/** Whether a body reads `name`; a macro takes further arguments only then. */
export function mentions(body: readonly Node[], name: "varargs" | "kwargs"): boolean {
  return body.some((node) => holdsIdentifier(node, name));
}

function holdsIdentifier(part: unknown, name: string): boolean {
  if (typeof part !== "object" || part === null) return false;
  if ((part as Node).type === "Identifier") return (part as Identifier).value === name;
  const children = part instanceof Map ? [...part].flat() : Object.values(part);
  return children.some((child) => holdsIdentifier(child, name));
}

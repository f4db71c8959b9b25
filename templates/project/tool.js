// A tool of your own. The model calls it by <search_query>Abor jars</search_query>, and reads the result.
import { tool } from "swirl-rl";
import { z } from "zod";
import { stockOf } from "./stock.js";

export const stock = tool({
  name: "stock",
  description: "How many of a thing someone has, asked as NAME THING",
  inputSchema: z.object({ query: z.string() }),
  tag: "search_query", // tags that the built-in model's tokenizer knows; any other name works as well
  execute: ({ query }) => {
    const [name, thing] = query.trim().split(" ");
    const count = stockOf(name, thing);
    if (count === undefined) throw new Error("nothing known"); // the model sees the message
    return String(count);
  },
});

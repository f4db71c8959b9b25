// The world of this example: who has how many of what. Replace it by your data.
const NAMES =
  "Abor Anse Bryn Calo Cerin Dara Dovan Edra Elun Fenna Galen Hesk Ilva Ister Jorin Kesh Kolva Lirin Maro Mira".split(
    " ",
  );
const THINGS = "pins jars nails bells cups coins lamps ropes seeds shells".split(" ");

/** How many of a thing someone has: invented, and always the same. */
export function stockOf(name, thing) {
  const [i, j] = [NAMES.indexOf(name), THINGS.indexOf(thing)];
  return i < 0 || j < 0 ? undefined : 10 + ((i * 37 + j * 53) % 90);
}

/** Every question once, shuffled in a fixed order: { id, question, answers, name, thing }. */
export const questions = NAMES.flatMap((name) =>
  THINGS.flatMap((thing) =>
    ["has", "sells"].map((verb) => ({
      id: `${name}-${thing}-${verb}`,
      question: `How many ${thing} ${verb} ${name}?`,
      answers: [String(stockOf(name, thing))],
      name,
      thing,
    })),
  ),
).sort((a, b) => (hash(a.id) < hash(b.id) ? -1 : 1));

function hash(text) {
  let value = 2166136261;
  for (const character of text) value = Math.imul(value ^ character.charCodeAt(0), 16777619) >>> 0;
  return value;
}

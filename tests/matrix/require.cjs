// A CommonJS project: require where Node can load ES modules by it (22.12 and later), await import everywhere.
const [major, minor] = process.versions.node.split(".").map(Number);
async function main() {
  const { calculate, SwirlError } = await import("swirl-rl");
  const sum = calculate("20 + 22");
  if (major > 22 || (major === 22 && minor >= 12)) {
    if (require("swirl-rl").calculate !== calculate) throw new Error("require gives another copy");
  }
  try {
    calculate(3);
  } catch (error) {
    if (!SwirlError.isInstance(error)) throw error;
  }
  console.log(`commonjs ran ${sum}`);
}
main();

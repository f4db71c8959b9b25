/**
 * Where the config asks for a profile: prints the policy's on stderr and keeps it in profile.json, one key per stage.
 */
import type { NativePolicy } from "../policy/native-policy.js";
import type { Session } from "./session.js";

/** Call it while the policy is open. Without an output folder (`swirl logprobs`) it only prints. */
export async function reportProfile(session: Session, stage: string, policy: NativePolicy): Promise<void> {
  if (!session.config.profile) return;
  const [{ profileTable }, { readFile }, { writeFileAtomic }, { makeFolder }] = await Promise.all([
    import("./profile-table.js"),
    import("node:fs/promises"),
    import("../files/atomic-write.js"),
    import("../files/make-folder.js"),
  ]);
  const profile = await policy.profile();
  session.say(`\n${stage}, profiled\n${profileTable(profile)}\n`);
  const { output } = session.config;
  if (output === undefined) return;
  const file = session.paths.profile;
  const earlier = await readFile(file, "utf8").then(
    (text) => JSON.parse(text) as Record<string, unknown>,
    () => ({}), // no file yet, or not one that this command wrote
  );
  await makeFolder(output);
  const { device, dtype } = policy;
  await writeFileAtomic(
    file,
    `${JSON.stringify({ ...earlier, [stage]: { device, dtype, ...profile } }, null, 2)}\n`,
  );
}

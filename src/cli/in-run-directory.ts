/**
 * How a command of one stage works in a run directory: it holds the directory's lock, refuses a config that differs
 * from the run's, and checks what it will need before it begins.
 */
import { lockFolder } from "../files/lock.js";
import { requireRunConfig, type StageName } from "./run-config.js";
import { required, type Session } from "./session.js";

export async function inRunDirectory<Result>(
  session: Session,
  stage: {
    name: StageName;
    check: (session: Session) => Promise<void>;
    run: (session: Session) => Promise<Result>;
  },
): Promise<Result> {
  await using _ = await lockFolder(required(session.config, "output"));
  await requireRunConfig(session.paths, session.config, stage.name);
  await stage.check(session);
  return await stage.run(session);
}

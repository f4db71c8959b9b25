/** A verb that writes into the run directory holds its lock meanwhile: one process there at a time. */
import { lockFolder } from "../files/lock.js";
import { required, type Session } from "./session.js";

export async function inRunDirectory<Result>(
  session: Session,
  stage: (session: Session) => Promise<Result>,
): Promise<Result> {
  await using _ = await lockFolder(required(session.config, "output"));
  return await stage(session);
}

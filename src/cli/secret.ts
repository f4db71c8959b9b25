/** A secret from the environment: a config only names the variable. */
import { SwirlError } from "../errors/swirl-error.js";

/** `field`: where the config names it. Throws CONFIG when the variable is not set. */
export function secret(variable: string, field: string): string {
  const value = process.env[variable];
  if (value) return value;
  throw new SwirlError("CONFIG", `config ${field}: the environment variable ${variable} is not set`, {
    remedy: `export ${variable}=…`,
    details: { field },
  });
}

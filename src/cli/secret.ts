/** Secrets from the environment: a config only names the variables. */
import { SwirlError } from "../errors/swirl-error.js";
import { rememberSecret } from "../secrets/known-secrets.js";

export interface SecretVariables {
  apiKeyVariable?: string | undefined;
  /** Header → variable. */
  headerVariables?: Readonly<Record<string, string>> | undefined;
}

/** The options of an endpoint that come from environment variables. `field`: where the config names the variables. */
export function endpointSecrets(
  { apiKeyVariable, headerVariables = {} }: SecretVariables,
  field: string,
): { apiKey?: string; headers: Record<string, string> } {
  const headers = Object.entries(headerVariables).map(
    ([header, variable]) => [header, secret(variable, `${field}.headerVariables.${header}`)] as const,
  );
  return {
    ...(apiKeyVariable === undefined ? {} : { apiKey: secret(apiKeyVariable, `${field}.apiKeyVariable`) }),
    headers: Object.fromEntries(headers),
  };
}

/** Throws CONFIG when the variable is not set. */
function secret(variable: string, field: string): string {
  const value = process.env[variable];
  if (value) {
    rememberSecret(value);
    return value;
  }
  throw new SwirlError("CONFIG", `config ${field}: the environment variable ${variable} is not set`, {
    remedy: `export ${variable}=…`,
    details: { field },
  });
}

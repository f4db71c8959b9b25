import { afterEach, expect, it } from "vitest";
import { redactText } from "../secrets/redact.js";
import { endpointSecrets } from "./secret.js";

const variables = { SWIRL_TEST_JUDGE: "planted-judge-1", SWIRL_TEST_AZURE: "planted-azure-2" };
afterEach(() => {
  for (const name of Object.keys(variables)) delete process.env[name];
});

it("reads an endpoint's secrets from the variables its config names, whatever their names, and hides them", () => {
  Object.assign(process.env, variables);
  const config = { apiKeyVariable: "SWIRL_TEST_JUDGE", headerVariables: { "api-key": "SWIRL_TEST_AZURE" } };
  expect(endpointSecrets(config, "judge.endpoint")).toEqual({
    apiKey: "planted-judge-1",
    headers: { "api-key": "planted-azure-2" },
  });
  expect(redactText("planted-judge-1, planted-azure-2", {})).toBe("[redacted], [redacted]");
});

it("names the place in the config whose variable is not set", () => {
  const missing = () =>
    endpointSecrets({ headerVariables: { "api-key": "SWIRL_TEST_AZURE" } }, "judge.endpoint");
  expect(missing).toThrow(/judge\.endpoint\.headerVariables\.api-key: .* SWIRL_TEST_AZURE is not set/);
});

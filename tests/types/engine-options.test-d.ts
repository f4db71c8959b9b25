/** The option interfaces of policies, endpoints and search, which editors show, are what the schemas accept at run time. */
import { expectTypeOf, it } from "vitest";
import type { z } from "zod";
import type { endpointOptionsSchema } from "../../src/endpoint/endpoint-options.js";
import type { fleetSchema } from "../../src/endpoint/fleet-options.js";
import type {
  AdapterOptions,
  EmbeddingEndpointOptions,
  EmbeddingIndexSettings,
  EndpointOptions,
  FleetOptions,
  GenerateOptions,
  LoadOptions,
  LogprobsOptions,
  LoraOptions,
  SaveOptions,
  SearchOptions,
  ServedOptions,
} from "../../src/index.js";
import type { loraSchema } from "../../src/policy/lora/lora-options.js";
import type {
  adapterOptionsSchema,
  generateOptionsSchema,
  loadOptionsSchema,
  logprobsOptionsSchema,
  saveOptionsSchema,
} from "../../src/policy/native-options.js";
import type { servedSchema } from "../../src/policy/served/served-options.js";
import type { embeddingEndpointSchema } from "../../src/tools/search/embedding-endpoint.js";
import type { embeddingIndexSchema } from "../../src/tools/search/embedding-index.js";
import type { searchSchema } from "../../src/tools/search/search.js";

it("options of policies and endpoints equal their schemas", () => {
  expectTypeOf<EndpointOptions>().toEqualTypeOf<z.input<typeof endpointOptionsSchema>>();
  expectTypeOf<FleetOptions>().toEqualTypeOf<z.input<typeof fleetSchema>>();
  expectTypeOf<ServedOptions>().toEqualTypeOf<z.input<typeof servedSchema>>();
  expectTypeOf<LoadOptions>().toEqualTypeOf<z.input<typeof loadOptionsSchema>>();
  expectTypeOf<AdapterOptions>().toEqualTypeOf<z.input<typeof adapterOptionsSchema>>();
  expectTypeOf<LoraOptions>().toEqualTypeOf<z.input<typeof loraSchema>>();
  expectTypeOf<LogprobsOptions>().toEqualTypeOf<z.input<typeof logprobsOptionsSchema>>();
  expectTypeOf<GenerateOptions>().toEqualTypeOf<z.input<typeof generateOptionsSchema>>();
  expectTypeOf<SaveOptions>().toEqualTypeOf<z.input<typeof saveOptionsSchema>>();
});

it("options of search equal their schemas", () => {
  expectTypeOf<SearchOptions>().toEqualTypeOf<z.input<typeof searchSchema>>();
  expectTypeOf<EmbeddingEndpointOptions>().toEqualTypeOf<z.input<typeof embeddingEndpointSchema>>();
  expectTypeOf<EmbeddingIndexSettings>().toEqualTypeOf<z.input<typeof embeddingIndexSchema>>();
});

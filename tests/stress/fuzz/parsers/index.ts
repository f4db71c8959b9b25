/** Every reader of untrusted input of the package. */
import type { FuzzedParser } from "../parser.js";
import { action } from "./action.js";
import { calculator } from "./calculator.js";
import { chatTemplate } from "./chat-template.js";
import { cliConfig } from "./cli-config.js";
import { dataset } from "./dataset.js";
import { endpointError, endpointReply } from "./endpoint.js";
import { journals } from "./journals.js";
import { jsonSlices } from "./json-slices.js";
import { modelConfig } from "./model-config.js";
import { numbers } from "./numbers.js";
import { safetensors, shardIndex } from "./safetensors.js";
import { tokenizer } from "./tokenizer.js";
import { verdict } from "./verdict.js";

export const parsers: readonly FuzzedParser[] = [
  safetensors,
  shardIndex,
  modelConfig,
  jsonSlices,
  tokenizer,
  chatTemplate,
  ...journals,
  verdict,
  action,
  numbers,
  calculator,
  endpointReply,
  endpointError,
  dataset,
  cliConfig,
];

/** `swirl doctor`: what was built, which devices run, how to get what is missing, and what a model would take. */
import { print } from "./output.js";
import { LORA_FLAG, subcommand } from "./subcommand.js";

export const doctorCommand = () =>
  subcommand({
    name: "doctor",
    summary: "what was built, which devices and instruction sets run, how to get what is missing",
    details: "With --model: what training all weights or an adapter of it would take, and where that fits.",
    flags: [
      { flags: "--model <dir>", path: "model", kind: "path", help: "a model's or an adapter's folder" },
      { flags: "--base <dir>", path: "base", kind: "path", help: "base of an adapter folder" },
      LORA_FLAG,
    ],
    withoutConfig: true,
    run: async ({ json, overrides }) => {
      const [{ doctor, formatDoctor }, { doctorModel, formatModel }] = await Promise.all([
        import("./doctor.js"),
        import("./doctor-model.js"),
      ]);
      const { model, base, lora } = Object.fromEntries(overrides.map(({ path, value }) => [path, value]));
      const report = await doctor();
      const needs =
        typeof model === "string"
          ? await doctorModel(model, lora ?? {}, report.devices, base as string | undefined)
          : undefined;
      if (json) print(JSON.stringify({ ...report, ...(needs ? { model: needs } : {}) }));
      else print([formatDoctor(report), ...(needs ? ["", formatModel(needs)] : [])].join("\n"));
      if (!report.addon) process.exitCode = 1;
    },
  });

/** `swirl doctor`: what was built, which devices run, and how to get what is missing. */
import { print } from "./output.js";
import { subcommand } from "./subcommand.js";

export const doctorCommand = () =>
  subcommand({
    name: "doctor",
    summary: "what was built, which devices and instruction sets run, how to get what is missing",
    withoutConfig: true,
    run: async ({ json }) => {
      const { doctor, formatDoctor } = await import("./doctor.js");
      const report = await doctor();
      print(json ? JSON.stringify(report) : formatDoctor(report));
      if (!report.addon) process.exitCode = 1;
    },
  });

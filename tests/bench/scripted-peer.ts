/** A peer in a real process, whose replies a function makes of the requests: times are then known, not measured. */

import { PeerProcess } from "../../bench/peer-process.js";
import type { Participant } from "../../bench/peers/turns.js";
import type { Row } from "../../bench/rows.js";

export interface Asked {
  op: string;
  batches: Row[][];
  call: number; // earlier calls of this op
}

/** The function runs in the process: it may use nothing around it. `state` and `base` are bytes. */
export function scripted(
  name: Participant["name"],
  reply: (asked: Asked) => object,
  { state = 0, base = 0 } = {},
): Participant {
  const program = `
    const reply = ${reply};
    const calls = {};
    require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const request = JSON.parse(line);
      const call = calls[request.op] ?? 0;
      calls[request.op] = call + 1;
      console.log(JSON.stringify(reply({ ...request, call })));
    });`;
  const process_ = new PeerProcess(name, process.execPath, ["-e", program]);
  return { name, process: process_, stateBytes: state, baseBytes: base, rate: {} };
}

/**
 * Parameter groups: assigns each parameter to a group by patterns of names.
 *
 * A pattern is a whole name in which `*` stands for any characters. Frozen patterns come first, then the groups in
 * their order; each parameter belongs to the first that matches it, or to "default".
 */
import { SwirlError } from "../errors/swirl-error.js";
import type { NativeOptimizerOptions, ParameterInfo } from "../native/addon.js";
import type { AdamwOptions } from "./native-options.js";

export interface ResolvedGroups {
  native: NativeOptimizerOptions;
  /** The name that each native group reports its gradient norm under; undefined for frozen ones. */
  names: (string | undefined)[];
}

interface Group {
  name: string;
  field: string;
  patterns: readonly string[];
  lr: number;
  weightDecay: number | undefined;
  frozen: boolean;
}

/** `at`: where the options stand in the call, "" or "optimizer". Throws CONFIG naming the field. */
export function resolveGroups(
  options: AdamwOptions,
  parameters: readonly ParameterInfo[],
  at: string,
): ResolvedGroups {
  const { decay, freeze, groups: asked, ...adamw } = options;
  const prefix = at === "" ? "" : `${at}.`;
  const rest: Group = {
    name: "default",
    field: at,
    patterns: ["*"],
    lr: adamw.lr,
    weightDecay: undefined,
    frozen: false,
  };
  const groups: Group[] = [
    ...freeze.map((pattern, i) => ({
      ...rest,
      name: pattern,
      field: `${prefix}freeze[${i}]`,
      patterns: [pattern],
      frozen: true,
    })),
    ...asked.map((group, i) => ({
      name: group.name ?? [group.match].flat().join(", "),
      field: `${prefix}groups[${i}].match`,
      patterns: [group.match].flat(),
      lr: group.lr ?? adamw.lr * (group.lrScale ?? 1),
      weightDecay: group.weightDecay,
      frozen: group.frozen,
    })),
    rest,
  ];
  const groupOf = assign(groups, parameters);
  if (parameters.length > 0 && groupOf.every((group) => group.frozen)) {
    throw refusal(
      `${prefix}freeze`,
      "every parameter is frozen, so the step would do nothing",
      "freeze fewer",
    );
  }

  // A group becomes two native ones if its norms and biases are exempt from weight decay.
  const native: NonNullable<NativeOptimizerOptions["groups"]> = [];
  const names: (string | undefined)[] = ["default"];
  const index = new Map<string, number>([[`default ${adamw.weightDecay}`, 0]]);
  const indices = parameters.map(({ shape }, i) => {
    const group = groupOf[i]!;
    const bare = decay === "matrices" && shape.length === 1;
    const weightDecay = group.weightDecay ?? (bare ? 0 : adamw.weightDecay);
    const key = group === rest ? `default ${weightDecay}` : `${groups.indexOf(group)} ${weightDecay}`;
    const known = index.get(key);
    if (known !== undefined) return known;
    native.push({ lr: group.lr, weightDecay, frozen: group.frozen });
    names.push(group.frozen ? undefined : group.name);
    index.set(key, native.length);
    return native.length;
  });
  const grouped = native.length > 0 ? { groups: native, groupOf: Int32Array.from(indices) } : {};
  return { native: { ...adamw, ...grouped }, names };
}

/** Gradient norms by name, from those of the native groups. */
export function gradientNorms(names: readonly (string | undefined)[], norms: Float64Array) {
  const squares = new Map<string, number>();
  for (const [i, name] of names.entries()) {
    if (name !== undefined) squares.set(name, (squares.get(name) ?? 0) + norms[i]! ** 2);
  }
  return Object.fromEntries([...squares].map(([name, square]) => [name, Math.sqrt(square)]));
}

function assign(groups: readonly Group[], parameters: readonly ParameterInfo[]): Group[] {
  const matchers = groups.map((group) => group.patterns.map(matcher));
  const first = parameters.map(({ name }) =>
    matchers.findIndex((any) => any.some((test) => test.test(name))),
  );
  for (const [i, group] of groups.slice(0, -1).entries()) {
    const alone = group.patterns.find((_, p) => !parameters.some(({ name }) => matchers[i]![p]!.test(name)));
    if (alone !== undefined) {
      throw refusal(
        group.field,
        `the pattern "${alone}" matches no parameter`,
        `a pattern is a whole name with * for any characters, such as "*norm*" or "${parameters.at(-1)?.name}"`,
      );
    }
    if (!first.includes(i)) {
      throw refusal(
        group.field,
        `every parameter that "${group.patterns.join('", "')}" matches is in an earlier group`,
        "put the narrower pattern first, or leave this group out",
      );
    }
  }
  return first.map((i) => groups[i]!);
}

function matcher(pattern: string): RegExp {
  const escaped = pattern.split("*").map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return new RegExp(`^${escaped.join(".*")}$`, "s");
}

function refusal(field: string, problem: string, remedy: string): SwirlError {
  return new SwirlError("CONFIG", `${field}: ${problem}`, { remedy, details: { field } });
}

/** Evaluates a template's syntax tree within a budget. Scopes are jinja2's: a loop's names end with each iteration. */
import type { Budget } from "./budget.js";
import { applyFilter } from "./filters.js";
import { attribute, sliced, subscript } from "./lookup.js";
import { binary, unary } from "./operators.js";
import { passes } from "./predicates.js";
import { Loop, LoopControl, Output, Scope } from "./scope.js";
import {
  type Call,
  type CallStatement,
  type For,
  type Identifier,
  type Macro,
  mentions,
  type Node,
  type Parameter,
  type SetNode,
} from "./syntax.js";
import { characters, isStr, type Str, textOf } from "./text.js";
import {
  Callable,
  Dict,
  isTrue,
  iterate,
  Namespace,
  or,
  Tuple,
  TypeFault,
  typeName,
  Undefined,
  type Value,
} from "./values.js";
import { toText } from "./write.js";

export class Evaluator {
  /** Whether a macro's body reads its further arguments. */
  readonly #known = new Map<readonly Node[], { varargs: boolean; kwargs: boolean }>();

  constructor(readonly budget: Budget) {}

  run(body: readonly Node[], scope: Scope): Str {
    const output = new Output(this.budget);
    this.#block(body, scope, output);
    return output.text;
  }

  #block(body: readonly Node[], scope: Scope, output: Output): void {
    for (const node of body) this.#statement(node, scope, output);
  }

  #statement(node: Node, scope: Scope, output: Output): void {
    this.budget.spend(1);
    switch (node.type) {
      case "Comment":
        break;
      case "If":
        this.#block(isTrue(this.value(node.test, scope)) ? node.body : node.alternate, scope, output);
        break;
      case "For":
        this.#for(node, scope, output);
        break;
      case "Set":
        this.#set(node, scope);
        break;
      case "Macro":
        scope.set(node.name.value, this.#macro(node, scope));
        break;
      case "CallStatement":
        output.add(this.#callBlock(node, scope));
        break;
      case "FilterStatement": {
        const inner = this.run(node.body, new Scope(scope));
        output.add(toText(this.#filter(node.filter, inner, scope), this.budget));
        break;
      }
      case "Break":
      case "Continue":
        throw new LoopControl(node.type === "Break");
      default:
        output.add(toText(this.value(node, scope), this.budget));
    }
  }

  #for(node: For, scope: Scope, output: Output): void {
    const filtered = node.iterable.type === "SelectExpression" ? node.iterable : undefined;
    const source = this.value(filtered ? filtered.lhs : node.iterable, scope);
    let list = iterate(source, (text) => {
      this.budget.list(textOf(text).length);
      return characters(text);
    });
    this.budget.list(list.length);
    if (filtered) {
      list = list.filter((item) => {
        const inner = new Scope(scope);
        this.#assign(node.loopvar, item, inner);
        return isTrue(this.value(filtered.test, inner));
      });
    }
    if (list.length === 0) this.#block(node.defaultBlock, new Scope(scope), output);
    const loop = new Loop(list, this.budget);
    for (const [at, item] of list.entries()) {
      this.budget.spend(1);
      const inner = new Scope(scope);
      inner.set("loop", loop.at(at));
      this.#assign(node.loopvar, item, inner);
      try {
        this.#block(node.body, inner, output);
      } catch (error) {
        if (!(error instanceof LoopControl)) throw error;
        if (error.stops) break;
      }
    }
  }

  #set(node: SetNode, scope: Scope): void {
    const value = node.value === null ? this.run(node.body, new Scope(scope)) : this.value(node.value, scope);
    this.#assign(node.assignee, value, scope);
  }

  #assign(target: Node, value: Value, scope: Scope): void {
    if (target.type === "Identifier") {
      scope.set(target.value, value);
    } else if (target.type === "TupleLiteral") {
      const parts = iterate(value, characters);
      if (parts.length !== target.value.length) {
        throw new TypeFault(`${parts.length} values for ${target.value.length} names`);
      }
      for (const [at, name] of target.value.entries()) this.#assign(name, parts[at]!, scope);
    } else if (
      target.type === "MemberExpression" &&
      !target.computed &&
      target.property.type === "Identifier"
    ) {
      const object = this.value(target.object, scope);
      if (!(object instanceof Namespace)) throw new TypeFault("only a namespace's attributes can be set");
      object.attributes.set(target.property.value, value);
    } else {
      throw new TypeFault(`nothing can be assigned to a ${target.type}`);
    }
  }

  #macro({ name, args, body }: Macro, scope: Scope): Callable {
    return new Callable(name.value, (given, named) => {
      const inner = new Scope(scope);
      this.#bind(name.value, args, body, given, named, inner);
      return this.run(body, inner);
    });
  }

  #callBlock({ call, callerArgs, body }: CallStatement, scope: Scope): Str {
    const caller = new Callable("caller", (given, named) => {
      const inner = new Scope(scope);
      this.#bind("caller", callerArgs ?? [], body, given, named, inner);
      return this.run(body, inner);
    });
    const { args, named } = this.#arguments(call.args, scope);
    const macro = this.value(call.callee, scope);
    if (!(macro instanceof Callable)) throw new TypeFault(`a ${typeName(macro)} cannot be called`);
    return toText(macro.call(args, new Map([...named, ["caller", caller]])), this.budget);
  }

  #bind(
    name: string,
    parameters: readonly Parameter[],
    body: readonly Node[],
    given: readonly Value[],
    named: ReadonlyMap<string, Value>,
    scope: Scope,
  ): void {
    const left = new Map(named);
    for (const [at, parameter] of parameters.entries()) {
      const own = parameter.type === "Identifier" ? parameter.value : parameter.key.value;
      const value = or(given[at], left.get(own));
      left.delete(own);
      if (value !== undefined) scope.set(own, value);
      else if (parameter.type !== "Identifier") scope.set(own, this.value(parameter.value, scope));
      else scope.set(own, new Undefined(`argument ${own} of ${name}`));
    }
    const caller = left.get("caller");
    left.delete("caller");
    if (caller !== undefined) scope.set("caller", caller);
    const extra = given.slice(parameters.length);
    const reads = this.#reads(body);
    if (reads.varargs) scope.set("varargs", new Tuple(extra));
    else if (extra.length > 0) throw new TypeFault(`${name}() takes at most ${parameters.length} arguments`);
    if (reads.kwargs) {
      const rest = new Dict();
      for (const [key, value] of left) rest.set(key, value);
      scope.set("kwargs", rest);
    } else if (left.size > 0) throw new TypeFault(`${name}() has no argument ${[...left.keys()][0]}`);
  }

  #reads(body: readonly Node[]): { varargs: boolean; kwargs: boolean } {
    let known = this.#known.get(body);
    if (!known) {
      known = { varargs: mentions(body, "varargs"), kwargs: mentions(body, "kwargs") };
      this.#known.set(body, known);
    }
    return known;
  }

  value(node: Node, scope: Scope): Value {
    this.budget.spend(1);
    switch (node.type) {
      case "StringLiteral":
      case "FloatLiteral":
        return node.value;
      case "IntegerLiteral":
        if (!Number.isSafeInteger(node.value))
          throw new TypeFault("a whole number above 2^53 in a template is not supported");
        return BigInt(node.value);
      case "Identifier":
        return scope.get(node.value);
      case "ArrayLiteral":
        return node.value.map((item) => this.value(item, scope));
      case "TupleLiteral":
        return new Tuple(node.value.map((item) => this.value(item, scope)));
      case "ObjectLiteral": {
        const dict = new Dict();
        for (const [keyNode, item] of node.value) {
          const key = this.value(keyNode, scope);
          if (isStr(key)) this.budget.read(textOf(key).length);
          dict.set(key, this.value(item, scope));
        }
        return dict;
      }
      case "MemberExpression":
        return this.#member(node, scope);
      case "CallExpression":
        return this.#call(node, scope);
      case "UnaryExpression":
        return unary(node.operator.value, this.value(node.argument, scope));
      case "BinaryExpression":
        return this.#binary(node, scope);
      case "FilterExpression":
        return this.#filter(node.filter, this.value(node.operand, scope), scope);
      case "TestExpression":
        return (
          passes(node.test.value, this.value(node.operand, scope), undefined, this.budget) !== node.negate
        );
      case "Ternary":
        return this.value(isTrue(this.value(node.condition, scope)) ? node.trueExpr : node.falseExpr, scope);
      case "SelectExpression":
        return isTrue(this.value(node.test, scope))
          ? this.value(node.lhs, scope)
          : new Undefined("an if without else");
    }
    throw new TypeFault(`a ${node.type} is not supported here`);
  }

  #binary(node: Node & { type: "BinaryExpression" }, scope: Scope): Value {
    const left = this.value(node.left, scope);
    const operator = node.operator.value;
    if (operator === "and") return isTrue(left) ? this.value(node.right, scope) : left;
    if (operator === "or") return isTrue(left) ? left : this.value(node.right, scope);
    return binary(operator, left, this.value(node.right, scope), this.budget);
  }

  #member(node: Node & { type: "MemberExpression" }, scope: Scope): Value {
    const object = this.value(node.object, scope);
    if (!node.computed && node.property.type === "Identifier") {
      return attribute(object, node.property.value, this.budget);
    }
    if (node.property.type === "SliceExpression") {
      const bound = (part: Node | undefined) => (part ? this.value(part, scope) : null);
      const { start, stop, step } = node.property;
      return sliced(object, bound(start), bound(stop), bound(step), this.budget);
    }
    return subscript(object, this.value(node.property, scope), this.budget);
  }

  #call(node: Call, scope: Scope): Value {
    const callee = this.value(node.callee, scope);
    if (callee instanceof Undefined) throw new TypeFault(`${callee.what} is undefined`);
    if (!(callee instanceof Callable)) throw new TypeFault(`a ${typeName(callee)} cannot be called`);
    const { args, named } = this.#arguments(node.args, scope);
    return callee.call(args, named);
  }

  #filter(filter: Identifier | Call, value: Value, scope: Scope): Value {
    if (filter.type === "Identifier") return applyFilter(filter.value, value, [], new Map(), this.budget);
    if (filter.callee.type !== "Identifier") throw new TypeFault("a filter needs a name");
    const { args, named } = this.#arguments(filter.args, scope);
    return applyFilter(filter.callee.value, value, args, named, this.budget);
  }

  #arguments(nodes: readonly Node[], scope: Scope): { args: Value[]; named: Map<string, Value> } {
    const args: Value[] = [];
    const named = new Map<string, Value>();
    for (const node of nodes) {
      if (node.type === "KeywordArgumentExpression") named.set(node.key.value, this.value(node.value, scope));
      else if (node.type === "SpreadExpression") {
        const list = iterate(this.value(node.argument, scope), characters);
        this.budget.list(args.length + list.length);
        for (const item of list) args.push(item);
      } else if (node.type === "KeywordSpreadExpression") {
        const dict = this.value(node.argument, scope);
        if (!(dict instanceof Dict)) throw new TypeFault(`** needs a dict, not a ${typeName(dict)}`);
        for (const [key, item] of dict.entries()) if (isStr(key)) named.set(textOf(key), item);
      } else args.push(this.value(node, scope));
    }
    return { args, named };
  }
}

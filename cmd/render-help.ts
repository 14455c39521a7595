import type { ArgsDef, CommandDef, CommandMeta } from "citty";
import { GLOBAL_ARGS, type NlCommand } from "./command.ts";

/** Help as text: what it does, examples first, then the flags. */
export async function renderHelp(command: CommandDef, path: readonly string[]): Promise<string> {
  const meta = (await resolve(command.meta)) as CommandMeta | undefined;
  const lines = [meta?.description ?? "", ""];
  if ("strict" in command) lines.push(...leafHelp(command as NlCommand, path));
  else lines.push(...(await groupHelp(command, path)));
  return `${lines.join("\n").trimEnd()}\n`;
}

function leafHelp(command: NlCommand, path: readonly string[]): readonly string[] {
  const { examples, positionals, takesCommand } = command.strict;
  const words = [...path, "[flags]"];
  if (positionals.max > 0) {
    const many = positionals.max > 1 ? "..." : "";
    words.push(positionals.min > 0 ? `${positionals.name}${many}` : `[${positionals.name}${many}]`);
  }
  if (takesCommand) words.push("[--] CMD...");
  const own = Object.entries(command.args as ArgsDef).filter(([name]) => !(name in GLOBAL_ARGS));
  return [
    "Usage",
    `  ${words.join(" ")}`,
    "",
    ...(examples.length > 0 ? ["Examples", ...examples.map((line) => `  ${line}`), ""] : []),
    ...(own.length > 0 ? ["Flags", ...flagLines(own), ""] : []),
    "Global flags",
    ...flagLines(Object.entries(GLOBAL_ARGS)),
  ];
}

function flagLines(args: readonly (readonly [string, ArgsDef[string]])[]): readonly string[] {
  return args.map(([name, definition]) => {
    const aliases = "alias" in definition ? [definition.alias ?? []].flat() : [];
    const short = aliases.find((alias) => alias.length === 1);
    const hint = definition.type === "boolean" ? "" : ` ${definition.valueHint ?? "VALUE"}`;
    const left = `${short === undefined ? "    " : `-${short}, `}--${name}${hint}`;
    return `  ${left.padEnd(28)} ${definition.description ?? ""}`;
  });
}

async function groupHelp(command: CommandDef, path: readonly string[]): Promise<readonly string[]> {
  const table = (await resolve(command.subCommands)) ?? {};
  const rows: string[] = [];
  for (const [name, entry] of Object.entries(table)) {
    const child = (await resolve(entry)) as CommandDef;
    const meta = (await resolve(child.meta)) as CommandMeta | undefined;
    if (meta?.hidden !== true) rows.push(`  ${name.padEnd(18)} ${meta?.description ?? ""}`);
  }
  return ["Usage", `  ${path.join(" ")} COMMAND [flags]`, "", "Commands", ...rows];
}

async function resolve<T>(value: T | Promise<T> | (() => T | Promise<T>)): Promise<T> {
  return typeof value === "function" ? (value as () => T | Promise<T>)() : value;
}

import type { ArgsDef, CommandDef, CommandMeta } from "citty";
import { GLOBAL_ARGS, type NlCommand, type OtherWords } from "./command.ts";
import { wrap } from "./wrap.ts";

type Placed = { readonly path: readonly string[]; readonly columns: number };

/** Help as text: what it does, examples first, then the flags. */
export async function renderHelp(command: CommandDef, placed: Placed): Promise<string> {
  const meta = (await resolve(command.meta)) as CommandMeta | undefined;
  const lines = [...wrap(meta?.description ?? "", { columns: placed.columns }), ""];
  if ("strict" in command) lines.push(...leafHelp(command as NlCommand, placed));
  else lines.push(...(await groupHelp(command, placed)));
  return `${lines.join("\n").trimEnd()}\n`;
}

function leafHelp(command: NlCommand, placed: Placed): readonly string[] {
  const { examples, positionals, takesCommand } = command.strict;
  const words = [...placed.path, "[flags]"];
  if (positionals.max > 0) {
    const many = positionals.max > 1 ? "..." : "";
    words.push(positionals.min > 0 ? `${positionals.name}${many}` : `[${positionals.name}${many}]`);
  }
  if (takesCommand) words.push("[-- CMD...]");
  const own = Object.entries(command.args as ArgsDef).filter(([name]) => !(name in GLOBAL_ARGS));
  return [
    "Usage",
    `  ${words.join(" ")}`,
    "",
    ...(examples.length > 0 ? ["Examples", ...examples.map((line) => `  ${line}`), ""] : []),
    ...(own.length > 0 ? ["Flags", ...flagLines(own, placed), ""] : []),
    "Global flags",
    ...flagLines(Object.entries(GLOBAL_ARGS), placed),
  ];
}

const FLAG_COLUMNS = 30;
const NAME_COLUMNS = 18;

function flagLines(
  args: readonly (readonly [string, ArgsDef[string]])[],
  { columns }: Placed,
): readonly string[] {
  return args.flatMap(([name, definition]) => {
    const aliases = "alias" in definition ? [definition.alias ?? []].flat() : [];
    const short = aliases.find((alias) => alias.length === 1);
    const hint = definition.type === "boolean" ? "" : ` ${definition.valueHint ?? "VALUE"}`;
    const left = `${short === undefined ? "    " : `-${short}, `}--${name}${hint}`;
    return row(left, definition.description ?? "", { left: FLAG_COLUMNS, columns });
  });
}

async function groupHelp(command: CommandDef, placed: Placed): Promise<readonly string[]> {
  const { path, columns } = placed;
  const table = (await resolve(command.subCommands)) ?? {};
  const aliases = "words" in command ? ((command.words as OtherWords).aliases ?? {}) : {};
  const rows: string[] = [];
  for (const [name, entry] of Object.entries(table)) {
    const child = (await resolve(entry)) as CommandDef;
    const meta = (await resolve(child.meta)) as CommandMeta | undefined;
    if (meta?.hidden === true) continue;
    const others = Object.keys(aliases).filter((alias) => aliases[alias] === name);
    const also = others.length === 0 ? "" : ` (also: ${others.join(", ")})`;
    rows.push(...row(name, `${meta?.description ?? ""}${also}`, { left: NAME_COLUMNS, columns }));
  }
  const more = `${path.join(" ")} COMMAND --help`;
  return [
    "Usage",
    `  ${path.join(" ")} COMMAND [flags]`,
    "",
    "Commands",
    ...rows,
    "",
    ...(path.length === 1 ? [`More: ${more}, nl help exit-codes, nl help env`] : [`More: ${more}`]),
  ];
}

/** Two columns; the right one is wrapped below itself. */
function row(
  name: string,
  text: string,
  { left, columns }: { readonly left: number; readonly columns: number },
): readonly string[] {
  const indent = left + 3;
  const [first = "", ...rest] = wrap(text, { columns: Math.max(20, columns - indent) });
  const head = `  ${name.padEnd(left)} ${first}`;
  return [head, ...rest.map((line) => `${" ".repeat(indent)}${line}`)];
}

async function resolve<T>(value: T | Promise<T> | (() => T | Promise<T>)): Promise<T> {
  return typeof value === "function" ? (value as () => T | Promise<T>)() : value;
}

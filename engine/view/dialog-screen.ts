import { fit } from "./format.ts";
import { bold, EMPTY_LINE, type Line, span } from "./line.ts";
import type { Dialog } from "./ui-state.ts";

const WIDTH = 58;

/** A question in the middle of the body: facts first, the command line form last. */
export function dialogScreen(dialog: Dialog, columns: number, rows: number): readonly Line[] {
  const inner = WIDTH - 4;
  const box: Line[] = [
    [span(`┌${"─".repeat(WIDTH - 2)}┐`)],
    boxed([bold(fit(dialog.title, inner))]),
    boxed([span(" ".repeat(inner))]),
    ...dialog.facts.map((fact) => boxed([span(fit(fact, inner))])),
    boxed([span(" ".repeat(inner))]),
    boxed([span(fit(`$ ${dialog.cli}`, inner), "muted")]),
    boxed([span(" ".repeat(inner))]),
    boxed(buttons(dialog, inner)),
    [span(`└${"─".repeat(WIDTH - 2)}┘`)],
  ];
  const left = " ".repeat(Math.max(0, Math.floor((columns - WIDTH) / 2)));
  const above = Math.max(0, Math.floor((rows - box.length) / 2));
  return [
    ...Array.from({ length: above }, () => EMPTY_LINE),
    ...box.map((line): Line => [span(left), ...line]),
  ];
}

const boxed = (line: Line): Line => [span("│ "), ...line, span(" │")];

function buttons({ focus }: Dialog, inner: number): Line {
  const cancel = { ...span("[ Cancel ]"), inverse: focus === "cancel" };
  const confirm = { ...span("[ Do it ]"), inverse: focus === "confirm" };
  const blank = inner - cancel.text.length - confirm.text.length - 2;
  return [span(" ".repeat(Math.max(0, blank))), cancel, span("  "), confirm];
}

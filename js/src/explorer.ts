/** The explorer's widget: the head, and under it all heads and the pair behind one weight, over one model. */

import type { AnyModel, AnyWidget, RenderProps } from "@anywidget/types";
import { h } from "./dom.ts";
import type { GridModel } from "./griddata.ts";
import { GridView } from "./gridview.ts";
import type { HeadModel } from "./model.ts";
import { mount } from "./mount.ts";
import { QueryKeyView } from "./querykeyview.ts";
import type { PairModel } from "./vectorsource.ts";
import { View } from "./view.ts";

export interface ExplorerModel extends HeadModel, Omit<GridModel, keyof HeadModel>, Omit<PairModel, keyof HeadModel> {
  grid_open: boolean;
  pair_open: boolean;
}

type Model = AnyModel<ExplorerModel>;

/** A view that is made when it is first opened; whether it is open is a trait. */
function fold(model: Model, trait: "grid_open" | "pair_open", name: string, signal: AbortSignal, make: () => HTMLElement): HTMLElement {
  const box = h("details", { class: "attn-fold" }, h("summary", {}, name));
  const fill = (): void => {
    if (box.open && box.childElementCount === 1) box.append(make());
  };
  const follow = (): void => {
    box.open = model.get(trait);
    fill();
  };
  box.addEventListener(
    "toggle",
    () => {
      fill();
      if (model.get(trait) === box.open) return;
      model.set(trait, box.open);
      model.save_changes();
    },
    { signal },
  );
  model.on(`change:${trait}`, follow);
  signal.addEventListener("abort", () => model.off(`change:${trait}`, follow));
  follow();
  return box;
}

/** Colour the grid by the chosen cell while one is chosen, and as before when none is. */
function colourFound(model: Model, signal: AbortSignal): void {
  let before: ExplorerModel["metric"] | null = null;
  const follow = (): void => {
    const chosen = model.get("query") !== null && model.get("key") !== null;
    const metric = model.get("metric");
    if (chosen && before === null && metric !== "found") {
      before = metric;
      model.set("metric", "found");
      model.save_changes();
    } else if (!chosen && before !== null) {
      if (metric === "found") {
        model.set("metric", before);
        model.save_changes();
      }
      before = null;
    }
  };
  for (const trait of ["query", "key"] as const) model.on(`change:${trait}`, follow);
  signal.addEventListener("abort", () => {
    for (const trait of ["query", "key"] as const) model.off(`change:${trait}`, follow);
  });
  follow();
}

function render({ model, el }: RenderProps<ExplorerModel>): () => void {
  return mount(el, model as AnyModel as never, (signal) => {
    colourFound(model, signal);
    const as = <T>(): T => model as unknown as T;
    return h(
      "div",
      { class: "attn-explorer" },
      new View(as<AnyModel<HeadModel>>(), signal).node,
      fold(model, "grid_open", "All heads", signal, () => new GridView(as<AnyModel<GridModel>>(), signal).node),
      fold(model, "pair_open", "Query and key", signal, () => new QueryKeyView(as<AnyModel<PairModel>>(), signal).node),
    );
  });
}

export default { render } satisfies AnyWidget<ExplorerModel>;

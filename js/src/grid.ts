/** The grid panel's widget: one view for each place it is shown in. */

import type { AnyWidget, RenderProps } from "@anywidget/types";
import type { GridModel } from "./griddata.ts";
import { GridView } from "./gridview.ts";
import { mount } from "./mount.ts";

function render({ model, el }: RenderProps<GridModel>): () => void {
  return mount(el, model, (signal) => new GridView(model, signal).node);
}

export default { render } satisfies AnyWidget<GridModel>;

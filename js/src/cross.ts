/** The cross panel's widget: one view for each place it is shown in. */

import type { AnyWidget, RenderProps } from "@anywidget/types";
import { CrossView } from "./crossview.ts";
import type { HeadModel } from "./model.ts";
import { mount } from "./mount.ts";

function render({ model, el }: RenderProps<HeadModel>): () => void {
  return mount(el, model, (signal) => new CrossView(model, signal).node);
}

export default { render } satisfies AnyWidget<HeadModel>;

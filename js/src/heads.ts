/** The head panel's widget: one view for each place it is shown in. */

import type { AnyWidget, RenderProps } from "@anywidget/types";
import type { HeadModel } from "./model.ts";
import { mount } from "./mount.ts";
import { View } from "./view.ts";

function render({ model, el }: RenderProps<HeadModel>): () => void {
  return mount(el, model, (signal) => new View(model, signal).node);
}

export default { render } satisfies AnyWidget<HeadModel>;

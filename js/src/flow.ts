/** The flow panel's widget: one view for each place it is shown in. */

import type { AnyWidget, RenderProps } from "@anywidget/types";
import type { FlowModel } from "./flowsource.ts";
import { FlowView } from "./flowview.ts";
import { mount } from "./mount.ts";

function render({ model, el }: RenderProps<FlowModel>): () => void {
  return mount(el, model, (signal) => new FlowView(model, signal).node);
}

export default { render } satisfies AnyWidget<FlowModel>;

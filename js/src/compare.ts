/** The compare panel's widget: one view for each place it is shown in. */

import type { AnyWidget, RenderProps } from "@anywidget/types";
import type { CompareModel } from "./comparemodel.ts";
import { CompareView } from "./compareview.ts";
import { mount } from "./mount.ts";

function render({ model, el }: RenderProps<CompareModel>): () => void {
  return mount(el, model, (signal) => new CompareView(model, signal).node);
}

export default { render } satisfies AnyWidget<CompareModel>;

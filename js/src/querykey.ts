/** The query and key panel's widget: one view for each place it is shown in. */

import type { AnyWidget, RenderProps } from "@anywidget/types";
import { mount } from "./mount.ts";
import { QueryKeyView } from "./querykeyview.ts";
import type { PairModel } from "./vectorsource.ts";

function render({ model, el }: RenderProps<PairModel>): () => void {
  return mount(el, model, (signal) => new QueryKeyView(model, signal).node);
}

export default { render } satisfies AnyWidget<PairModel>;

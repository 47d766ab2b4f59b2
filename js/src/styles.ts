/** The style sheet of the panels, on the host's theme variables; lives in each panel's shadow root. */

const palette = `
  --attn-surface: var(--jp-layout-color0, var(--vscode-editor-background, light-dark(#fff, #16181c)));
  --attn-ink: var(--jp-ui-font-color0, var(--vscode-editor-foreground, light-dark(#16191f, #eceef2)));
  --attn-muted: var(--jp-ui-font-color2, light-dark(#5c6470, #9aa3b0));
  --attn-line: var(--jp-border-color2, light-dark(#e2e5ea, #2b3038));
  --attn-raised: var(--jp-layout-color2, light-dark(#f3f5f8, #20242b));
  --attn-accent: light-dark(#c2410c, #fb923c);
  --attn-focus: var(--jp-brand-color1, light-dark(#1f6feb, #58a6ff));
`;

export default `
:host { display: block; ${palette} }
.attn {
  color: var(--attn-ink); background: var(--attn-surface);
  font: 13px/1.45 var(--jp-ui-font-family, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif);
  font-variant-numeric: tabular-nums;
  padding: 14px 16px 12px; border: 1px solid var(--attn-line); border-radius: 6px;
  position: relative; box-sizing: border-box; max-width: 1180px;
}
.attn *, .attn *::before { box-sizing: border-box; }
.attn [hidden] { display: none !important; }
.attn :focus-visible { outline: 2px solid var(--attn-focus); outline-offset: 2px; border-radius: 3px; }
.attn p, .attn h2, .attn h3, .attn ol { margin: 0; padding: 0; }
.attn button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
.attn button:disabled { opacity: .35; cursor: default; }
.attn-probe { position: absolute; width: 0; height: 0; overflow: hidden; }
.attn-off { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.attn-top { display: flex; align-items: baseline; gap: 14px; min-height: 30px; }
.attn-name { font-size: 21px; font-weight: 650; letter-spacing: -.01em; line-height: 1.2; white-space: nowrap; }
.attn-say { color: var(--attn-ink); flex: 1; min-width: 0; overflow-wrap: anywhere; }
.attn-text { color: var(--attn-muted); flex: 0 99 auto; min-width: 4em; max-width: 45%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }

.attn-controls { display: flex; flex-wrap: wrap; gap: 6px 18px; align-items: center; padding: 8px 0 10px; border-bottom: 1px solid var(--attn-line); }
.attn-stepper { display: flex; align-items: center; gap: 4px; }
.attn-label { color: var(--attn-muted); margin-right: 4px; }
.attn-count { min-width: 1.6em; margin-left: 4px; white-space: nowrap; }
.attn button.attn-step { width: 22px; height: 22px; border-radius: 4px; font-size: 17px; line-height: 18px; }
.attn button.attn-step:hover:not(:disabled), .attn button.attn-toggle:hover { background: var(--attn-raised); }
.attn input[type=range] {
  appearance: none; width: 72px; height: 18px; background: none; margin: 0; cursor: pointer;
}
.attn input[type=range]::-webkit-slider-runnable-track {
  height: 3px; border-radius: 2px;
  background: linear-gradient(to right, var(--attn-muted) calc(var(--share, 0) * 100%), var(--attn-line) 0);
}
.attn input[type=range]::-moz-range-track { height: 3px; border-radius: 2px; background: var(--attn-line); }
.attn input[type=range]::-moz-range-progress { height: 3px; border-radius: 2px; background: var(--attn-muted); }
.attn input[type=range]::-webkit-slider-thumb {
  appearance: none; width: 11px; height: 11px; border-radius: 50%; margin-top: -4px; background: var(--attn-ink); border: 0;
}
.attn input[type=range]::-moz-range-thumb { width: 11px; height: 11px; border-radius: 50%; background: var(--attn-ink); border: 0; }
.attn input[type=range]:disabled { opacity: .35; cursor: default; }
.attn button.attn-toggle { padding: 2px 9px; border: 1px solid var(--attn-line); border-radius: 4px; }
.attn button.attn-toggle[aria-pressed=true] { background: var(--attn-ink); color: var(--attn-surface); border-color: var(--attn-ink); }

.attn button.attn-last { margin-left: auto; }
.attn-stepper.attn-time { flex-basis: 100%; }
.attn-time input[type=range] { width: min(320px, 40vw); }
.attn-time .attn-count { min-width: 3.5em; }
.attn-side .attn-stepper { margin: -2px 0 6px; }
.attn-side input[type=range] { flex: 1; max-width: 150px; }

.attn-body { display: flex; gap: 28px; padding-top: 12px; align-items: flex-start; }
.attn-body[data-stacked=true] { flex-direction: column; gap: 14px; }
.attn-figure { flex: none; max-width: 100%; }
.attn-figure canvas { display: block; cursor: crosshair; }
.attn-side { flex: 1; min-width: 190px; max-width: 330px; display: flex; flex-direction: column; gap: 18px; }
.attn-body[data-stacked=true] .attn-side { flex-direction: row; max-width: none; width: 100%; gap: 28px; }
.attn-body[data-stacked=true] .attn-side > * { flex: 1; min-width: 0; }
.attn-body[data-stacked=true] ol.attn-list { columns: 230px; column-gap: 24px; max-height: 190px; }
.attn h3.attn-title { font-size: 12px; font-weight: 600; padding-bottom: 4px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.attn ol.attn-list { list-style: none; max-height: 250px; overflow-y: auto; scrollbar-width: thin; }
.attn button.attn-entry {
  display: grid; grid-template-columns: minmax(0, 1fr) 60px 72px; gap: 8px; align-items: center;
  width: 100%; text-align: left; padding: 1px 4px; border-radius: 3px; line-height: 20px;
}
.attn button.attn-entry:hover { background: var(--attn-raised); }
.attn button.attn-entry[aria-current=true] { font-weight: 650; }
.attn-entry-name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.attn-entry-bar { height: 8px; background: var(--attn-raised); border-radius: 2px; overflow: hidden; }
.attn-entry-bar i { display: block; height: 100%; }
.attn-entry-number { text-align: right; }
.attn p.attn-foot { color: var(--attn-muted); font-size: 12px; padding: 4px 4px 0; }

.attn-legend { padding-top: 12px; color: var(--attn-muted); font-size: 12px; }
.attn-keys { display: flex; flex-wrap: wrap; gap: 4px 18px; align-items: flex-start; }
.attn-scale { width: 180px; }
.attn-scale-bar { display: block; height: 9px; border-radius: 2px; }
.attn-ticks { display: flex; justify-content: space-between; font-size: 10.5px; line-height: 15px; }
.attn-state { display: inline-flex; gap: 6px; align-items: center; line-height: 12px; }
.attn-swatch { width: 13px; height: 13px; border-radius: 2px; outline: 1px solid var(--attn-line); }
.attn p.attn-reading { padding-top: 4px; }
.attn-note { color: var(--attn-muted); font-size: 12px; padding-top: 6px; }
.attn-error { color: var(--attn-accent); padding-top: 6px; }
.attn-tip {
  position: absolute; pointer-events: none; z-index: 5; max-width: 360px; padding: 3px 8px; border-radius: 4px;
  background: var(--attn-ink); color: var(--attn-surface); font-size: 12px; overflow-wrap: anywhere;
}

.attn-tablebox { overflow: auto; max-height: 420px; margin-top: 12px; }
.attn-table { border-collapse: collapse; font-size: 12px; }
.attn-table caption { text-align: left; color: var(--attn-muted); padding-bottom: 4px; }
.attn-table th, .attn-table td { padding: 2px 8px; text-align: right; border-bottom: 1px solid var(--attn-line); white-space: nowrap; font-weight: 400; }
.attn-table thead th { color: var(--attn-muted); position: sticky; top: 0; background: var(--attn-surface); }
.attn-table tbody th { text-align: left; position: sticky; left: 0; background: var(--attn-surface); }

.attn-bar { height: 4px; border-radius: 2px; background: var(--attn-line); margin: 8px 0 12px; overflow: hidden; }
.attn-bar i { display: block; height: 100%; background: var(--attn-ink); transition: width .15s linear; }
.attn-figures { display: flex; flex-wrap: wrap; gap: 6px 30px; margin: 0 0 6px; }
.attn-figures dt { color: var(--attn-muted); font-size: 12px; display: flex; align-items: center; gap: 6px; }
.attn-figures dt i { display: inline-block; width: 14px; box-sizing: border-box; }
.attn-figures dd { margin: 0; font-size: 15px; font-weight: 600; }

/* Query and key: the way from the product to the weight. */
.attn-figure[data-waiting=true] { opacity: .35; }
.attn ol.attn-querykey-steps { list-style: none; display: flex; flex-wrap: wrap; gap: 6px 10px; align-items: flex-end; margin: 6px 0 14px; padding: 10px 14px; background: var(--attn-raised); border-radius: 6px; }
.attn-querykey-steps li { display: flex; gap: 10px; align-items: flex-end; }
.attn-querykey-steps i { font-style: normal; color: var(--attn-muted); font-size: 16px; line-height: 22px; }
.attn-querykey-steps small { display: block; color: var(--attn-muted); font-size: 11px; line-height: 15px; }
.attn-querykey-steps b { font-size: 16px; font-weight: 600; line-height: 22px; white-space: nowrap; }
.attn-querykey-steps li:last-child b { color: var(--attn-accent); }

/* Comparison of two traces (compareview.ts) */
.attn-figure.attn-compare { display: flex; gap: 18px; flex-wrap: nowrap; align-items: flex-start; }
.attn-figure.attn-compare[data-stacked=true] { flex-direction: column; }
.attn .attn-compare-largest ol.attn-list { columns: auto !important; }
.attn-compare-one { margin: 0; min-width: 0; }
.attn-compare-one figcaption { font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; box-sizing: content-box; }

/* heads: options */
.attn-options { gap: 6px 14px; padding-top: 8px; }
.attn-option { display: inline-flex; align-items: center; gap: 4px; }
.attn select, .attn input[type=number] {
  font: inherit; color: var(--attn-ink); background: var(--attn-surface);
  border: 1px solid var(--attn-line); border-radius: 4px; padding: 1px 4px; height: 24px;
}
.attn input[type=number] { width: 5.2em; }
.attn-figure canvas { touch-action: pan-y; }

/* A kernel that has gone (banner.ts). */
.attn-banner {
  margin: 0 0 6px; padding: 6px 12px; max-width: 1180px; box-sizing: border-box; border-radius: 6px;
  border: 1px solid var(--attn-accent); border-left-width: 4px; color: var(--attn-ink); background: var(--attn-surface);
  font: 13px/1.45 var(--jp-ui-font-family, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif);
}
.attn-banner[hidden] { display: none; }
.attn [data-attn-off] { opacity: .35; cursor: default; }

/* The grid of heads. */
.attn-grid-figure { overflow-x: hidden; overflow-y: auto; scrollbar-width: thin; width: 100%; }
.attn-grid-figure:focus-visible { outline-offset: 4px; }
.attn-figure canvas.attn-grid-canvas { position: sticky; top: 0; cursor: pointer; }
.attn-grid-pick { display: inline-flex; align-items: center; gap: 4px; }
.attn select.attn-grid-select {
  font: inherit; color: inherit; background: var(--attn-surface); border: 1px solid var(--attn-line); border-radius: 4px;
  padding: 2px 4px; max-width: 180px;
}
.attn-grid-progress { display: flex; align-items: center; gap: 8px; color: var(--attn-muted); margin-left: auto; }
.attn-grid-progress button { color: var(--attn-ink); }
.attn-grid-bar { width: 90px; height: 4px; border-radius: 2px; background: var(--attn-line); overflow: hidden; }
.attn-grid-bar i { display: block; height: 100%; background: var(--attn-ink); }
.attn-grid-count { min-width: 8.5em; }

/* Copying, saving, and larger type for a projector (tools.ts, projector.ts). */
.attn[data-projector=true] { zoom: 1.6; }
.attn-tools { display: flex; flex-wrap: wrap; gap: 4px 6px; align-items: center; justify-content: flex-end; margin-left: auto; }
.attn-tools button.attn-last { margin-left: 0; }
.attn-tools-said { color: var(--attn-muted); overflow-wrap: anywhere; }
.attn-tools-said:not(:empty) { padding-right: 6px; }
.attn-tools-said[data-well=false] { color: var(--attn-accent); }

/* explorer */
.attn-fold { max-width: 1180px; margin-top: 6px; font: 13px/1.45 var(--jp-ui-font-family, system-ui, sans-serif); color: var(--attn-ink); }
.attn-fold > summary { cursor: pointer; padding: 4px 2px; color: var(--attn-muted); }
.attn-fold > summary:hover { color: var(--attn-ink); }
.attn-fold > summary:focus-visible { outline: 2px solid var(--attn-focus); outline-offset: 2px; border-radius: 3px; }

/* Kinds of attention as tabs (crossview.ts) */
.attn-cross-tabs { display: flex; gap: 2px; padding: 0 6px; font: 13px/1.4 var(--jp-ui-font-family, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif); }
.attn-cross button.attn-cross-tab {
  font: inherit; color: var(--attn-muted); background: none; border: 1px solid transparent; border-bottom: 0; cursor: pointer;
  padding: 5px 14px 6px; border-radius: 6px 6px 0 0; display: flex; gap: 8px; align-items: baseline; flex-wrap: wrap; text-align: left; min-width: 0;
}
.attn-cross button.attn-cross-tab:hover { color: var(--attn-ink); }
.attn-cross button.attn-cross-tab[aria-selected=true] {
  color: var(--attn-ink); background: var(--attn-surface); border-color: var(--attn-line); margin-bottom: -1px; position: relative; z-index: 1;
}
.attn-cross button.attn-cross-tab:focus-visible { outline: 2px solid var(--attn-focus); outline-offset: -2px; }
.attn-cross-name { font-weight: 600; }
.attn-cross-about { font-size: 12px; color: var(--attn-muted); }

/* Flow: choices that exclude each other stand together. */
.attn-flow-group { display: inline-flex; }
.attn-flow-group button.attn-toggle { border-radius: 0; margin-left: -1px; }
.attn-flow-group button.attn-toggle:first-child { border-radius: 4px 0 0 4px; margin-left: 0; }
.attn-flow-group button.attn-toggle:last-child { border-radius: 0 4px 4px 0; }
`;

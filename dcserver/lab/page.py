"""How an experiment looks and how it reads aloud: its style sheet, and names for what ipywidgets leaves nameless."""

import html

# ipywidgets leaves a slider's handle nameless and lets it say its position, not its value. This names both; where scripts
# in outputs are forbidden, it does nothing, and the label still stands above the slider. The value beside it takes text that
# a slider over a list cannot use: a stop of the Tab key less. The script also asks JupyterLab to leave
# the keys to whatever has the focus: arrows would move to the next cell, Enter edit it, and D twice delete it.
NAMES_FOR_SCREEN_READERS = """const mark = this; let tries = 0; (function start() {
    const panel = mark.closest('.dcserver-experiment');
    if (!panel) { if (tries++ < 40) setTimeout(start, 50); return; }
    panel.addEventListener('focusin', event => event.target.setAttribute('data-lm-suppress-shortcuts', 'true'));
    const name = () => panel.querySelectorAll('.widget-hslider').forEach(row => {
      const handle = row.querySelector('.noUi-handle'), label = row.querySelector('.widget-label'),
        value = row.querySelector('.widget-readout');
      if (handle && label && value) {
        value.removeAttribute('contenteditable');
        for (const [key, text] of [['aria-label', label.textContent], ['aria-valuetext', value.textContent]])
          if (handle.getAttribute(key) !== text) handle.setAttribute(key, text);
      }
    });
    name();
    new MutationObserver(name).observe(panel, {subtree: true, childList: true, characterData: true, attributes: true,
      attributeFilter: ['aria-valuetext', 'contenteditable']});
    })();"""

CSS = """
.dcserver-experiment { max-width: 960px; overflow: visible; padding: 4px 0 8px; color: var(--jp-ui-font-color1, #222);
  font-family: var(--jp-ui-font-family, system-ui, sans-serif); --dcserver-focus: #0072b2; --dcserver-edge: #767676; }
[data-jp-theme-light="false"] .dcserver-experiment { --dcserver-focus: #56b4e9; --dcserver-edge: #9a9a9a;
  --jp-widgets-dropdown-arrow: url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18'%3E%3Cpath d='M4 7l5 5 5-5' fill='none' stroke='%23ddd' stroke-width='2'/%3E%3C/svg%3E"); }
.jp-OutputArea:has(.dcserver-experiment) .jp-OutputArea-child:has(.dcserver-still), .dcserver-experiment ~ .dcserver-still { display: none; }
.dcserver-experiment .dcserver-title { font-weight: 600; font-size: 15px; line-height: 1.3; padding: 0 0 2px; }
.dcserver-experiment .dcserver-task { font-size: 14px; line-height: 1.4; padding: 0 0 2px; white-space: normal; }
.dcserver-experiment .dcserver-task:empty { display: none; }
.dcserver-experiment .dcserver-title { white-space: normal; }
.dcserver-experiment .dcserver-body { flex-flow: row wrap; align-items: flex-start; gap: 8px 24px; overflow: visible; }
.dcserver-experiment .dcserver-controls { flex: 0 0 280px; gap: 10px; overflow: visible; padding-top: 6px; }
.dcserver-experiment .dcserver-view { flex: 1 1 420px; min-width: 0; max-width: 640px; overflow: visible; }
.dcserver-experiment .dcserver-controls > .widget-inline-hbox { flex-flow: row wrap; height: auto; width: 276px; margin: 0 2px; }
.dcserver-experiment .dcserver-controls > .widget-inline-hbox > .widget-label { width: 100%; text-align: left; height: 22px;
  line-height: 22px; font-size: 13px; color: var(--jp-ui-font-color1, #222); }
.dcserver-experiment .dcserver-controls .widget-checkbox, .dcserver-experiment .dcserver-controls .widget-checkbox .widget-label-basic {
  width: 276px; height: auto; }
.dcserver-experiment .dcserver-controls .widget-checkbox .widget-label-basic > span { white-space: normal; line-height: 1.35; font-size: 13px; }
.dcserver-experiment .widget-hslider .slider-container { flex: 1 1 150px; }
.dcserver-experiment .widget-readout { flex: 0 0 88px; text-align: right; font-size: 13px; font-weight: 600; white-space: nowrap;
  overflow: visible; color: var(--jp-ui-font-color1, #222); }
.dcserver-experiment .widget-dropdown > select { flex: 1 1 100%; font-size: 13px; height: 28px; border-color: var(--dcserver-edge); }
.dcserver-experiment .widget-hslider .noUi-target { background: var(--dcserver-edge); border: 1px solid var(--dcserver-edge); }
.dcserver-experiment .widget-hslider .noUi-handle { border: 2px solid var(--dcserver-focus); }
.dcserver-experiment .noUi-handle:focus-visible, .dcserver-experiment select:focus-visible, .dcserver-experiment button:focus-visible,
.dcserver-experiment input:focus-visible { outline: 3px solid var(--dcserver-focus) !important;
  outline-offset: 2px; } /* ipywidgets forbids lists and fields theirs as firmly */
.dcserver-experiment .jupyter-button { border: 1px solid transparent; } /* seen where a reader forces colours */
.dcserver-experiment .dcserver-buttons { flex-flow: row wrap; gap: 6px; overflow: visible; }
.dcserver-experiment .dcserver-buttons .jupyter-button { width: auto; margin: 0; padding: 0 10px; font-size: 12px; border-radius: 4px; }
.dcserver-experiment .dcserver-readout { font-size: 17px; line-height: 1.4; min-height: 2.8em; padding: 2px 0 4px;
  white-space: normal; }
.dcserver-experiment .dcserver-failed { border-left: 4px solid #d55e00; padding-left: 10px; }
.dcserver-experiment .dcserver-picture, .dcserver-experiment .dcserver-picture .widget-html-content { height: auto; width: 100%; margin: 2px 0; }
.dcserver-experiment .dcserver-picture img { display: block; max-width: 100%; height: auto; border-radius: 4px; }
[data-jp-theme-light="false"] .dcserver-experiment .dcserver-picture img { filter: invert(0.92) hue-rotate(180deg); }
.dcserver-experiment .dcserver-table { overflow-x: auto; height: auto; }
.dcserver-experiment table { border-collapse: collapse; font-size: 13px; line-height: 1.5; margin-top: 8px; }
.dcserver-experiment caption { text-align: left; font-weight: 600; padding-bottom: 4px; }
.dcserver-experiment th, .dcserver-experiment td { padding: 3px 14px 3px 0; font-weight: normal;
  border-bottom: 1px solid var(--jp-border-color2, #ddd); font-variant-numeric: tabular-nums; }
.dcserver-experiment thead th { font-weight: 600; border-bottom-width: 2px; }
"""

# An image that never loads, whose handler is the script: the only way for an output to run one when it is shown.
KEEP_KEYS = f'<img alt="" src="data:," style="display:none" onerror="{html.escape(NAMES_FOR_SCREEN_READERS)}">'

// Keyboard shortcuts, and what the server cannot know of a browser: its time zone.
'use strict';

(() => {
  const body = document.body;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || '';
  for (const field of document.querySelectorAll('[data-browser-zone]')) { field.value = zone; }

  // ---------------------------------------------------------------- looks of a log, kept by the server

  body.addEventListener('change', (event) => {
    const form = event.target.closest('[data-look]');
    if (!form) { return; }
    const looks = new FormData(form).getAll('log');
    for (const pane of document.querySelectorAll('[data-log]')) {
      for (const look of ['wrap', 'newest', 'stamps']) { pane.classList.toggle(look, looks.includes(look)); }
      pane.parentElement.classList.toggle('newest', looks.includes('newest'));
      pane.scrollTop = 0;
    }
    fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)), redirect: 'manual' }).catch(() => {});
  });

  // ---------------------------------------------------------------- keys

  const places = new Map(body.dataset.go.trim().split(/\s+/).map((pair) => [pair.slice(0, 1), pair.slice(2)]));
  const GO_MS = 1500; // between `g` and where to
  let going = 0;
  const typing = (el) => Boolean(el && el.closest('input, textarea, select, [contenteditable], dialog[open]'));
  const filter = () => document.querySelector('[data-find], .filters input[type=search]');
  addEventListener('keydown', (event) => {
    if (body.dataset.keys !== 'on' || event.ctrlKey || event.altKey || event.metaKey || event.isComposing || typing(event.target)) { return; }
    const gone = Date.now() - going < GO_MS;
    going = 0;
    if (gone && places.has(event.key)) { location.assign(places.get(event.key)); return; }
    if (event.key === 'g') { going = Date.now(); return; }
    if (event.key === '?') { document.getElementById('keys-dialog').showModal(); return; }
    if (event.key === '/' && filter()) {
      event.preventDefault();
      const folded = filter().closest('.find');
      if (folded && !folded.checkVisibility()) { location.hash = folded.id; }
      filter().focus();
      filter().select();
    }
  });
})();

// What a page does by itself: stay current, follow a log, keep times fresh, open dialogs. Everything else is HTML.
'use strict';

(() => {
  const body = document.body;
  const POLL_MS = 5000; // without a stream, look this often
  const SILENT_MS = 10000; // the server says something every 4 s; longer silence is a broken stream
  const CAP = 2000; // lines kept in the page
  const HOLD_CAP = 4000; // lines taken in while the reader is somewhere else in the log

  // ---------------------------------------------------------------- times

  const coarse = (s) => {
    if (s < 60) { return `${Math.round(s)} s`; }
    if (s < 3600) { return `${Math.floor(s / 60)} min`; }
    const unit = (big, bigName, small, smallName) => {
      const n = Math.floor(s / big); const rest = Math.floor((s % big) / small);
      return rest ? `${n} ${bigName} ${rest} ${smallName}` : `${n} ${bigName}`;
    };
    return s < 86400 ? unit(3600, 'h', 60, 'min') : unit(86400, 'd', 3600, 'h');
  };
  const skew = Number(body.dataset.now || 0) * 1000 - Date.now(); // the server's clock is the one that counts
  const relative = (iso) => {
    const delta = (Date.parse(iso) - Date.now() - skew) / 1000;
    if (Math.abs(delta) < 5) { return 'just now'; }
    return delta < 0 ? `${coarse(-delta)} ago` : `in ${coarse(delta)}`;
  };
  const freshen = () => {
    for (const el of document.querySelectorAll('time[data-mode=relative]')) {
      const text = relative(el.dateTime);
      if (el.firstChild && el.firstChild.nodeValue !== text) { el.firstChild.nodeValue = text; }
    }
    for (const el of document.querySelectorAll('[data-elapsed]')) {
      const text = coarse(Math.max(0, (Date.now() + skew - Date.parse(el.dataset.elapsed)) / 1000));
      if (el.firstChild && el.firstChild.nodeValue !== text) { el.firstChild.nodeValue = text; }
    }
  };
  setInterval(freshen, 1000);

  // ---------------------------------------------------------------- what is said after an act

  const said = document.getElementById('said');
  const say = (text, tone) => {
    const p = document.createElement('p');
    p.className = `said ${tone}`;
    p.textContent = text;
    said.replaceChildren(p);
  };
  body.addEventListener('htmx:response:error', (event) => {
    const ctx = event.detail.ctx;
    if (ctx.request.method === 'GET') { // a failed refresh keeps the page; the dot tells
      if (ctx.response.status === 401) { location.reload(); } // signed out: the login page brings back here
      return;
    }
    const doc = new DOMParser().parseFromString(ctx.text || '', 'text/html');
    const message = doc.querySelector('[data-message]');
    say((message && message.textContent.trim().replace(/\s+/g, ' ')) || `The server answered ${ctx.response.status}.`, 'bad');
  });
  body.addEventListener('htmx:error', (event) => {
    const ctx = event.detail.ctx;
    if (ctx && ctx.request.method !== 'GET') { say('The dashboard did not answer. Nothing was sent twice; try again.', 'bad'); }
  });
  body.addEventListener('htmx:finally:request', (event) => {
    const ctx = event.detail.ctx;
    const form = ctx.sourceElement;
    if (ctx.request.method === 'GET' || !ctx.response || ctx.response.status >= 400) { return; }
    const dialog = form.closest('dialog');
    if (dialog) { dialog.close(); }
    if (form.matches('form')) { form.reset(); }
    refresh();
  });

  // ---------------------------------------------------------------- refresh

  let pending = 0;
  let stale = false;
  const refresh = () => {
    if (document.hidden) { stale = true; return; }
    clearTimeout(pending);
    pending = setTimeout(() => body.dispatchEvent(new CustomEvent('refresh')), 150);
  };
  const title = document.title.replace(/^\(\d+\) /, '');
  const icon = document.querySelector('link[rel=icon]');
  const count = () => {
    const el = document.querySelector('[data-waiting]');
    if (!el) { return; } // a page without live content keeps what the server wrote
    const n = Number(el.dataset.waiting);
    document.title = n ? `(${n}) ${title}` : title;
    const badge = document.getElementById('nav-waiting');
    if (badge) { badge.hidden = !n; badge.firstChild.nodeValue = String(n); }
    const href = n ? icon.dataset.alert : icon.dataset.calm;
    if (icon.getAttribute('href') !== href) { icon.setAttribute('href', href); }
  };
  body.addEventListener('htmx:config:request', (event) => {
    const ctx = event.detail.ctx;
    const pane = ctx.sourceElement.id === 'live' && document.querySelector('[data-log]');
    // Whoever reads or selects in a log keeps that log, even when a newer session has begun.
    if (pane && (!atBottom(pane) || selecting(pane)) && !/[?&]log=/.test(ctx.request.action)) {
      ctx.request.action += `${ctx.request.action.includes('?') ? '&' : '?'}log=${encodeURIComponent(pane.dataset.log)}`;
    }
  });
  body.addEventListener('htmx:after:swap', () => { freshen(); count(); attach(); });

  // ---------------------------------------------------------------- live logs

  const atBottom = (pane) => Math.abs(pane.scrollTop) < 4; // column-reverse: 0 is the newest line
  const selecting = (pane) => {
    const s = document.getSelection();
    return Boolean(s && !s.isCollapsed && pane.contains(s.anchorNode));
  };
  const panes = () => [...document.querySelectorAll('[data-log]')];
  const lines = (pane) => pane.querySelector('ol');
  const trim = (pane) => {
    const list = lines(pane);
    if (!atBottom(pane) || selecting(pane) || list.children.length <= CAP) { return; }
    const gone = list.children.length - CAP;
    for (let i = 0; i < gone; i += 1) { list.firstElementChild.remove(); }
    pane.dataset.first = list.firstElementChild.id.slice(1);
    earlier(pane);
  };
  // Whoever loads ever earlier lines lets go of the newest ones; they come back at the end of the log.
  const drop = (pane) => {
    const list = lines(pane);
    const gone = list.children.length - HOLD_CAP;
    if (gone <= 0) { return; }
    for (let i = 0; i < gone; i += 1) { list.lastElementChild.remove(); }
    pane.dataset.newest = String(Math.max(Number(pane.dataset.last), Number(pane.dataset.newest || 0)));
    pane.dataset.last = list.lastElementChild.id.slice(1);
    pane.dataset.matching = String(Number(pane.dataset.matching) - gone);
    pane.dataset.held = '1';
    pill(pane);
  };
  const earlier = (pane) => {
    const button = pane.querySelector('[data-earlier]');
    if (!button) { return; }
    const left = Number(pane.dataset.first) - 1;
    button.hidden = left <= 0;
    button.textContent = pane.dataset.query ? `Search ${count3(left)} earlier lines` : `Load earlier lines (${count3(left)} not shown)`;
  };
  const count3 = (n) => n.toLocaleString('en-US');
  const matches = (pane) => {
    const el = document.querySelector(`[data-matches="${pane.id}"] > span`);
    if (!el) { return; }
    const first = Number(pane.dataset.first); const m = Number(pane.dataset.matching);
    const n = pane.dataset.last === '0' ? 0 : Number(pane.dataset.last) - first + 1;
    el.textContent = `${count3(m)} of ${first > 1 ? 'the newest ' : ''}${count3(n)} ${n === 1 ? 'line' : 'lines'} ${m === 1 ? 'matches' : 'match'} this filter`;
  };
  const pill = (pane) => {
    const el = document.querySelector(`[data-pill-for="${pane.id}"]`);
    if (!el) { return; }
    const newest = Math.max(Number(pane.dataset.last), Number(pane.dataset.newest || 0));
    const unseen = newest - Number(pane.dataset.seen || pane.dataset.last);
    el.hidden = atBottom(pane);
    const arrow = pane.classList.contains('newest') ? '↑' : '↓';
    el.textContent = unseen > 0 ? `${arrow} ${count3(unseen)} newer` : `${arrow} newest`;
  };
  const append = (pane, data) => {
    const last = Number(pane.dataset.last);
    if (data.last <= last) { return; } // seen already
    pane.dataset.newest = String(Math.max(data.last, Number(pane.dataset.newest || 0)));
    if (pane.dataset.query && data.event !== 'part') { fill(pane); return; } // only the server knows what matches
    if (data.first > last + 1) { fill(pane); return; } // something is missing: fetch it in order
    const list = lines(pane);
    if (list.children.length >= HOLD_CAP && !atBottom(pane)) { pane.dataset.held = '1'; pill(pane); return; }
    const template = document.createElement('template');
    template.innerHTML = data.html; // escaped by the server; the content policy runs no script in any case
    const fresh = [...template.content.children].filter((row) => Number(row.id.slice(1)) > last);
    list.append(...fresh);
    pane.dataset.last = String(data.last);
    pane.dataset.matching = String(Number(pane.dataset.matching) + fresh.length);
    matches(pane);
    if (atBottom(pane)) { pane.dataset.seen = pane.dataset.last; }
    const empty = pane.querySelector('.log-empty');
    if (empty) { empty.remove(); }
    trim(pane);
    pill(pane);
  };
  const part = async (pane, query) => {
    const wanted = pane.dataset.query ? `&${pane.dataset.query}` : '';
    const answer = await fetch(`${pane.dataset.lines}?${query}${wanted}`, { headers: { 'HX-Request': 'true' } });
    if (!answer.ok) { throw new Error(`HTTP ${answer.status}`); }
    return { event: 'part', html: await answer.text(), lines: Number(answer.headers.get('X-Lines')), first: Number(answer.headers.get('X-First')), last: Number(answer.headers.get('X-Last')) };
  };
  const fill = async (pane) => {
    if (pane.dataset.filling) { pane.dataset.filling = 'again'; return; }
    pane.dataset.filling = '1';
    try {
      for (;;) {
        const data = await part(pane, `after=${pane.dataset.last}`);
        if (!data.last && pane.dataset.filling === 'again') { pane.dataset.filling = '1'; continue; }
        if (!data.last) { break; }
        append(pane, data);
        if (pane.dataset.held) { break; }
      }
    } catch { /* the stream's next event tries again */ } finally { delete pane.dataset.filling; }
  };
  const attached = new WeakSet();
  const attach = () => {
    for (const pane of panes()) {
      if (attached.has(pane)) { continue; }
      attached.add(pane);
      pane.dataset.seen = pane.dataset.last;
      earlier(pane);
      pane.addEventListener('scroll', () => {
        if (atBottom(pane)) {
          pane.dataset.seen = pane.dataset.last;
          if (pane.dataset.held) { delete pane.dataset.held; trim(pane); fill(pane); }
        }
        pill(pane);
      }, { passive: true });
      connect();
    }
  };
  body.addEventListener('click', async (event) => {
    const more = event.target.closest('[data-earlier]');
    if (more) {
      const pane = more.closest('[data-log]');
      const data = await part(pane, `before=${pane.dataset.first}`);
      if (data.first) {
        lines(pane).insertAdjacentHTML('afterbegin', data.html);
        pane.dataset.first = String(data.first);
        pane.dataset.matching = String(Number(pane.dataset.matching) + data.lines);
      }
      drop(pane);
      earlier(pane);
      matches(pane);
    }
    const jump = event.target.closest('[data-pill-for]');
    if (jump) {
      const pane = document.getElementById(jump.dataset.pillFor);
      pane.scrollTop = 0;
      pane.focus();
    }
  });

  // ---------------------------------------------------------------- the stream

  const dot = document.getElementById('live-dot');
  let heard = 0;
  let greeted = false;
  const made = Number(body.dataset.count); // the server's number of changes when it wrote this page
  const show = (state) => {
    if (!dot || dot.dataset.state === state) { return; }
    dot.dataset.state = state;
    age();
  };
  // How old the last message is: a stream that is open and says nothing is not live.
  const age = () => {
    if (!dot) { return; }
    const seconds = heard ? Math.floor((Date.now() - heard) / 1000) : 0;
    const text = dot.dataset.state === 'live' && seconds > 4 ? `live, ${seconds} s ago` : dot.dataset.state;
    if (dot.lastElementChild.textContent !== text) { dot.lastElementChild.textContent = text; }
    dot.title = {
      live: `The server says what changes. Last message ${seconds} s ago.`,
      polling: 'No message from the server for a while; this page looks again every few seconds.',
      connecting: 'Connecting to the server',
    }[dot.dataset.state];
  };
  setInterval(age, 1000);
  const give = ({ event, data }) => {
    if (event === 'state') { if (!data.open) { heard = 0; show('polling'); } return; }
    heard = Date.now();
    show('live');
    if (event === 'hello' || event === 'joined') {
      // Something changed while this page was on its way, or while the stream was interrupted.
      if (greeted || data.count > made) { refresh(); }
      greeted = event === 'hello' || greeted;
    } else if (event === 'change') {
      const mine = body.dataset.topics.split(',');
      if (data.topics.some((t) => mine.includes(t) || mine.includes(t.split(':')[0]))) { refresh(); }
    } else if (event === 'signed-out') {
      location.reload(); // the login page brings back here
    } else if (event === 'log') {
      for (const pane of panes()) { if (pane.dataset.log === data.log && pane.dataset.live === '1') { append(pane, data); } }
    }
  };

  let wire = null; // {want(url, topics, places), bye()}
  const wires = () => {
    if (typeof SharedWorker !== 'undefined') {
      const worker = new SharedWorker(body.dataset.worker, 'tiercel');
      worker.port.onmessage = ({ data }) => give(data);
      worker.port.start();
      setInterval(() => worker.port.postMessage({ say: 'here' }), 15000);
      return {
        want: (url, topics, places) => worker.port.postMessage({ say: 'want', url, topics, places }),
        bye: () => worker.port.postMessage({ say: 'bye' }),
      };
    }
    const stream = new Stream(give);
    return { want: (url, topics, places) => stream.want(url, topics, places), bye: () => stream.close() };
  };
  const connect = () => {
    if (!body.dataset.events) { return; } // nobody is logged in
    const topics = body.dataset.topics.split(',').filter(Boolean);
    const places = {};
    for (const pane of panes()) { if (pane.dataset.live === '1') { places[pane.dataset.log] = Number(pane.dataset.last); } }
    wire ||= wires();
    wire.want(body.dataset.events, topics, places);
  };
  addEventListener('pagehide', () => { if (wire) { wire.bye(); } });
  addEventListener('pageshow', (event) => { if (event.persisted) { connect(); refresh(); } });
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) { return; }
    if (stale) { stale = false; refresh(); }
    for (const pane of panes()) { if (pane.dataset.live === '1') { fill(pane); } }
  });
  setInterval(() => {
    if (Date.now() - heard < SILENT_MS) { return; }
    show('polling');
    refresh();
    for (const pane of panes()) { if (pane.dataset.live === '1') { fill(pane); } }
  }, POLL_MS);

  // ---------------------------------------------------------------- dialogs, copy

  body.addEventListener('click', (event) => {
    const opener = event.target.closest('[data-dialog]');
    if (opener) {
      const dialog = document.getElementById(opener.dataset.dialog);
      if (dialog) { event.preventDefault(); dialog.showModal(); }
    }
    if (event.target.closest('[data-close]')) { event.target.closest('dialog').close(); }
    if (event.target.matches('dialog')) { event.target.close(); } // the backdrop
    const copier = event.target.closest('[data-copy]');
    if (copier && copier.matches('input')) { // a secret that is shown once
      copier.select();
    } else if (copier) {
      const source = document.getElementById(copier.dataset.copy);
      if (navigator.clipboard) {
        navigator.clipboard.writeText(source.textContent.trim()).then(() => { copier.textContent = 'copied'; });
      } else { document.getSelection().selectAllChildren(source); } // plain HTTP: no clipboard, so select it
    }
  });

  count();
  attach();
  connect();
})();

// One event stream for all tabs of this browser: the server is asked once, however many pages are open.
// Browsers open at most six connections per host on plain HTTP; a stream per tab would lock the seventh tab out.
// Runs as a SharedWorker; where there is none, app.js loads this file into the page and uses Stream directly.
'use strict';

class Stream {
  // give(message) is called with {event, data, id} and with {event: 'state', data: {open}}.
  constructor(give) {
    this.give = give;
    this.source = null;
    this.url = '';
    this.topics = new Set();
    this.places = new Map(); // "<session>:<attempt>" -> last number received
    this.backoff = 1000;
    this.timer = 0;
    this.count = 0; // the server's number of changes, as of the last event
  }

  // Ask for more. Reopens only when something new is wanted, from the places reached so far.
  want(url, topics, places) {
    let news = url !== this.url;
    this.url = url;
    for (const topic of topics) {
      if (!this.topics.has(topic)) { this.topics.add(topic); news = true; }
    }
    for (const [log, seq] of Object.entries(places)) {
      const known = this.places.get(log);
      if (known === undefined || known > seq) { this.places.set(log, seq); news = true; }
    }
    if (news || !this.source) { this.open(); }
  }

  // Forget what no page shows any more; it takes effect with the next opening.
  keep(topics, logs) {
    this.topics = new Set([...this.topics].filter((topic) => topics.has(topic)));
    for (const log of [...this.places.keys()]) { if (!logs.has(log)) { this.places.delete(log); } }
  }

  open() {
    this.close();
    const query = new URLSearchParams();
    query.set('topics', [...this.topics].sort().join(','));
    const after = [...this.places].map(([log, seq]) => `${log}:${seq}`).join(',');
    if (after) { query.set('after', after); }
    const source = new EventSource(`${this.url}?${query}`);
    this.source = source;
    for (const name of ['hello', 'change', 'log', 'ping', 'closing', 'signed-out']) {
      source.addEventListener(name, (event) => this.heard(source, name, event));
    }
    source.onerror = () => this.failed(source);
  }

  heard(source, name, event) {
    if (source !== this.source) { return; }
    this.backoff = 1000;
    const data = JSON.parse(event.data || '{}');
    if (name === 'log') {
      if ((this.places.get(data.log) ?? 0) >= data.last) { return; }
      this.places.set(data.log, data.last);
    }
    if (data.count) { this.count = data.count; }
    if (name === 'hello') { this.give({ event: 'state', data: { open: true } }); }
    this.give({ event: name, data });
  }

  failed(source) {
    if (source !== this.source) { return; }
    this.give({ event: 'state', data: { open: false } });
    if (source.readyState !== EventSource.CLOSED) { return; } // it reconnects by itself, with Last-Event-ID
    this.close();
    this.timer = setTimeout(() => this.open(), this.backoff * (0.5 + Math.random()));
    this.backoff = Math.min(this.backoff * 2, 15000);
  }

  close() {
    clearTimeout(this.timer);
    if (this.source) { this.source.close(); }
    this.source = null;
  }
}

// ---------------------------------------------------------------- as a SharedWorker

if (typeof SharedWorkerGlobalScope !== 'undefined' && self instanceof SharedWorkerGlobalScope) {
  const SILENT_MS = 180000; // hidden tabs say hello once a minute at best
  const tabs = new Map(); // port -> {topics, logs, seen}
  const stream = new Stream((message) => {
    for (const port of tabs.keys()) { port.postMessage(message); }
  });

  const drop = (port) => {
    tabs.delete(port);
    const topics = new Set(); const logs = new Set();
    for (const tab of tabs.values()) {
      for (const topic of tab.topics) { topics.add(topic); }
      for (const log of Object.keys(tab.places)) { logs.add(log); }
    }
    stream.keep(topics, logs);
    if (tabs.size === 0) { stream.close(); }
  };

  self.onconnect = (event) => {
    const port = event.ports[0];
    port.onmessage = ({ data }) => {
      if (data.say === 'bye') { drop(port); return; }
      const known = tabs.get(port);
      if (data.say === 'here' && known) { known.seen = Date.now(); return; }
      if (data.say !== 'want') { return; }
      tabs.set(port, { topics: data.topics, places: data.places, seen: Date.now() });
      stream.want(data.url, data.topics, data.places);
      if (stream.source && stream.source.readyState === EventSource.OPEN) { port.postMessage({ event: 'joined', data: { count: stream.count } }); }
    };
    port.start();
  };

  setInterval(() => {
    for (const [port, tab] of tabs) { if (Date.now() - tab.seen > SILENT_MS) { drop(port); } }
  }, 30000);
}

// The live board of a site. It shows what the console tells it and decides nothing: words, colours and what counts as
// unknown come from agents/console. `reset` replaces everything, `apply` takes only what has changed.

const ICONS = {
  free: "M5 13l4 4L19 7",
  waiting: "M12 3a9 9 0 1 0 .01 0zM12 7v5l3.5 2",
  charging: "M13 2 4.5 13.5H11L10 22l9-12h-6.5z",
  paused: "M8.5 5v14M15.5 5v14",
  closed: "M12 3a9 9 0 1 0 .01 0zM6 6l12 12",
  fault: "M12 3 2 20.5h20zM12 10v4.5M12 17.5v.1",
  lost: "M12 3a9 9 0 1 0 .01 0zM9.6 9.4a2.5 2.5 0 1 1 3.5 2.2c-.8.4-1.1.9-1.1 1.9M12 16.6v.1",
};

// Order and words of the filter above the board.
const TONES = [
  ["fault", "Fault"],
  ["lost", "No contact"],
  ["charging", "Charging"],
  ["paused", "Suspended"],
  ["waiting", "Waiting"],
  ["free", "Available"],
  ["closed", "Closed"],
];

// Without a word from the console for so long, the page says that it is old. ms.
const CONSOLE_SILENT_MS = 5000;

const TEMPLATE = `
<div class="board" :class="{ stale: lost || !summary.bus_connected, dense: order.length > 24 }">
  <header class="top">
    <h1>{{ title }}</h1>
    <p class="total" v-if="summary.chargers">
      <strong>{{ kilowatts(summary.power_w) }}</strong>
      <span v-if="summary.power_unknown">and {{ summary.power_unknown }} unknown</span>
    </p>
    <p class="link" :class="{ bad: lost || !summary.bus_connected }" role="status">
      <span class="dot" aria-hidden="true"></span>
      {{ lost ? "Console lost" : summary.bus_connected ? "Live" : "Broker lost" }}
      <time>{{ clock(heardAt, true) }}</time>
    </p>
  </header>

  <div v-if="lost" class="banner bad" role="alert" data-banner="console">
    <strong>No connection to the console since {{ clock(heardAt, true) }}.</strong>
    What you see is from then. This page connects again by itself.
  </div>
  <div v-else-if="!summary.bus_connected" class="banner bad" role="alert" data-banner="broker">
    <strong>The console has no connection to the broker.</strong>
    What you see is from before. Chargers go on without it, within their fallback currents. Check that the broker runs:
    <code>chargebus doctor</code>
  </div>

  <section v-if="alarms.length" class="alarms" aria-label="Alarms" aria-live="polite">
    <article v-for="alarm in alarms" :key="alarm.alarm" class="alarm" :class="alarm.severity" :data-alarm="alarm.alarm">
      <strong class="severity">{{ alarm.severity }}</strong>
      <div>
        <p class="text">{{ alarm.text }}<span v-if="alarm.charger"> ({{ alarm.charger }})</span></p>
        <p class="remedy">{{ alarm.remedy }}</p>
      </div>
      <time>since {{ clock(alarm.since_ts) }}</time>
    </article>
  </section>

  <nav v-if="order.length > 1" class="filter" aria-label="Show only">
    <button type="button" :aria-pressed="only === null" @click="only = null">All <b>{{ order.length }}</b></button>
    <button v-for="[tone, word] in tones" :key="tone" type="button" :class="tone" :aria-pressed="only === tone"
      @click="only = only === tone ? null : tone">{{ word }} <b>{{ counts[tone] }}</b></button>
  </nav>

  <section v-if="!order.length" class="empty">
    <h2>No charger has been heard of yet</h2>
    <p>The console listens to <code>ev/v1/{{ summary.site }}/charger/+/…</code> and shows a charger as soon as it says
      anything. If one should be here:</p>
    <ol>
      <li>Is it on, and does its Ethernet link light blink?</li>
      <li>Does it know this broker and the site <code>{{ summary.site }}</code>? It says so on its serial console.</li>
      <li>Run <code>chargebus doctor</code>: it checks the broker, its access rules and every charger.</li>
    </ol>
    <p>To see the page at work without hardware: <code>chargebus up</code> starts virtual chargers.</p>
  </section>

  <main class="cards">
    <article v-for="card in shown" :key="card.charger" class="card" :class="card.tone" :data-charger="card.charger"
      :data-connection="card.connection" :aria-label="'Charger ' + card.charger + ', ' + word(card)">
      <header>
        <svg viewBox="0 0 24 24" aria-hidden="true"><path :d="icons[card.tone]" /></svg>
        <span class="word">{{ word(card) }}</span>
        <h2>{{ card.charger }}</h2>
      </header>
      <div class="body">
        <div class="figures" v-if="busy(card)">
          <p class="power" :class="{ unknown: card.power_w === null }">{{ power(card) }}</p>
          <p class="session" v-if="card.session">
            <b>{{ energy(card.session.energy_wh) }}</b>
            <span>{{ since(card.session.started_ts) }}</span>
          </p>
        </div>
        <p class="detail" v-if="card.detail">{{ card.detail }}
          <template v-if="card.heard_ts"> Last heard {{ clock(card.heard_ts, true) }}.</template>
          <template v-if="card.reserved_until_ts"> Until {{ clock(card.reserved_until_ts) }}.</template>
        </p>
        <div v-for="fault in card.faults" :key="fault.fault" class="fault">
          <b>{{ plain(fault.fault) }}</b> {{ fault.detail }} <time>{{ since(fault.since_ts) }}</time>
        </div>
        <ul class="phases" v-if="busy(card)" :class="card.drawn" aria-label="Current per phase">
          <li v-for="each in card.currents" :key="each.phase">
            <span class="phase">{{ each.phase }}</span>
            <span class="bar" aria-hidden="true">
              <i :style="{ transform: 'scaleX(' + share(card, each.current_a) + ')' }"></i>
              <u v-if="card.offered_current_a" :style="{ left: 100 * share(card, card.offered_current_a) + '%' }"></u>
            </span>
            <span class="amperes">{{ drawn(card, each.current_a) }}</span>
          </li>
        </ul>
        <p class="limit" v-if="card.limit_reason || busy(card)">
          <b class="offered" v-if="busy(card)">{{ offered(card) }}</b>
          <span class="reason" v-if="card.limit_reason">{{ card.limit_reason }}</span>
        </p>
        <p v-for="note in card.notes" :key="note" class="note">{{ note }}</p>
      </div>
    </article>
  </main>

  <footer class="agents" v-if="agents.length">
    <h2>Agents</h2>
    <ul>
      <li v-for="agent in agents" :key="agent.agent" :class="health(agent)" :data-agent="agent.agent">
        <b>{{ agent.agent }}</b> {{ healthWord(agent) }}
        <span v-for="problem in agent.problems" :key="problem" class="problem">{{ problem }}</span>
        <span v-if="agent.rejected" class="problem">{{ agent.rejected }} messages refused</span>
        <span v-if="agent.dropped" class="problem">{{ agent.dropped }} messages dropped</span>
      </li>
    </ul>
  </footer>
</div>`;

export default {
  template: TEMPLATE,
  props: { title: String, initial: Object },
  data() {
    return { summary: {}, order: [], cards: new Map(), alarms: [], agents: [], only: null, heardAt: 0, lost: false };
  },
  created() {
    this.icons = ICONS;
    this.reset(this.initial);
  },
  mounted() {
    this.watch = setInterval(() => { this.lost = Date.now() - this.heardAt > CONSOLE_SILENT_MS; }, 1000);
  },
  unmounted() {
    clearInterval(this.watch);
  },
  computed: {
    counts() {
      const counts = {};
      for (const card of this.cards.values()) counts[card.tone] = (counts[card.tone] || 0) + 1;
      return counts;
    },
    tones() {
      return TONES.filter(([tone]) => this.counts[tone]);
    },
    shown() {
      const all = this.order.map((charger) => this.cards.get(charger));
      const some = this.only === null ? all : all.filter((card) => card.tone === this.only);
      return some.length ? some : all;
    },
  },
  methods: {
    reset(everything) {
      this.cards = new Map(everything.chargers.map((card) => [card.charger, card]));
      this.take(everything);
    },
    apply(found) {
      for (const patch of found.chargers || []) {
        const card = this.cards.get(patch.charger);
        if (card) Object.assign(card, patch);
        else this.cards.set(patch.charger, patch);
      }
      this.take(found);
      if (found.order) for (const charger of this.cards.keys()) if (!found.order.includes(charger)) this.cards.delete(charger);
    },
    take(found) {
      for (const part of ["summary", "order", "agents", "alarms"]) if (found[part]) this[part] = found[part];
      this.heardAt = Date.now();
      this.lost = false;
    },
    word(card) {
      if (card.connection === "offline") return "Offline";
      if (card.connection === "silent") return "Silent";
      return card.status || "Unknown";
    },
    busy(card) {
      return card.session !== null || card.drawn !== "none";
    },
    power(card) {
      if (card.power_w !== null) return this.kilowatts(card.power_w);
      return card.drawn === "none" ? "no current" : "unknown";
    },
    drawn(card, amperes) {
      if (amperes !== null) return amperes.toFixed(1) + " A";
      return card.drawn === "none" ? "–" : "unknown";
    },
    offered(card) {
      if (card.offered_current_a === null) return "Offers: unknown";
      return card.offered_current_a ? "Offers " + this.round(card.offered_current_a) + " A" : "Offers nothing";
    },
    share(card, amperes) {
      const full = card.rated_current_a || 32;
      return Math.max(0, Math.min(1, (amperes || 0) / full)).toFixed(3);
    },
    kilowatts(watts) {
      return watts === null || watts === undefined ? "unknown" : (watts / 1000).toFixed(1) + " kW";
    },
    energy(wh) {
      return wh < 1000 ? wh + " Wh" : (wh / 1000).toFixed(2) + " kWh";
    },
    round(amperes) {
      return Number.isInteger(amperes) ? String(amperes) : amperes.toFixed(1);
    },
    since(ts) {
      return ts === null ? "since an unknown time" : "since " + this.clock(ts);
    },
    clock(ts, seconds = false) {
      if (!ts) return "";
      const then = new Date(ts);
      const time = then.toLocaleTimeString([], {
        hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined, hour12: false,
      });
      if (then.toDateString() === new Date().toDateString()) return time;
      return then.toLocaleDateString([], { day: "numeric", month: "short" }) + " " + time;
    },
    plain(word) {
      return word.charAt(0).toUpperCase() + word.slice(1).replaceAll("_", " ");
    },
    health(agent) {
      if (!agent.online) return "bad";
      return agent.problems.length ? "warn" : "good";
    },
    healthWord(agent) {
      if (!agent.online) return "stopped";
      return agent.problems.length ? "has a problem" : "running";
    },
  },
};

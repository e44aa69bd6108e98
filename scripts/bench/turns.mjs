// Language models answering in turns, round after round: a prompt, then a decode.
import { median, ratio, spread } from './measure.mjs';
import { LEAD } from './texts.mjs';

const KINDS = ['prompt', 'decode'];

/** Opens them one after another. @returns `{ engines: { name: engine }, missing: { name: why } }` */
export async function openAll(openers) {
  const [engines, missing] = [{}, {}];
  for (const [name, open] of Object.entries(openers)) {
    try {
      engines[name] = await open();
    } catch (error) {
      missing[name] = error.message.split('\n')[0].replace(/^page\.evaluate: (\w*Error: )?/, '');
    }
  }
  return { engines, missing };
}

/**
 * @param engines `{ name: { prompt, decode } }`
 * @param options.prompt, options.count tokens of a prompt, and to decode
 * @param options.every `(name) => n`: it works in every n-th round alone
 * @returns `{ name: { prompt, decode, promptClock, decodeClock } }`: tokens/s of each round by the processor time and by the clock, null in rounds that it sat out
 */
export async function answerInTurns(engines, text, { rounds, prompt, count, every = () => 1 }) {
  const names = Object.keys(engines);
  const samples = Object.fromEntries(names.map((name) => [name, Object.fromEntries(KINDS.flatMap((kind) => [[kind, []], [`${kind}Clock`, []]]))]));
  for (const name of names) { // an engine's slow tier serves the first calls
    await engines[name].prompt(text(Math.ceil(prompt / 4)));
    await engines[name].decode(text(LEAD), Math.ceil(count / 4));
  }
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length];
      const works = round % every(name) === 0;
      for (const kind of KINDS) {
        const done = !works ? null : kind === 'prompt' ? await engines[name].prompt(text(prompt)) : await engines[name].decode(text(LEAD), count);
        samples[name][kind][round] = done && (done.tokens * 1e6) / done.us;
        samples[name][`${kind}Clock`][round] = done && (done.tokens * 1e6) / done.clockUs;
      }
    }
  }
  return samples;
}

/** Medians of every engine, by the processor time (`clock: false`) or by the clock. */
export function medians(samples, clock) {
  const of = (list) => list.filter((value) => value !== null);
  return Object.fromEntries(Object.entries(samples).map(([name, kinds]) => [name, Object.fromEntries(KINDS.flatMap((kind) => {
    const list = of(kinds[clock(name) ? `${kind}Clock` : kind]);
    return [[kind, median(list)], [`${kind}Spread`, spread(list)]];
  }))]));
}

/** `name` beside the fastest of `peers` in prompts and in decoding: `{ prompt: { median, spread, peer }, decode }`; null where one of them is missing. `peers` that are missing don't count while one is there. */
export function beside(samples, name, peers, { clock = false } = {}) {
  const there = peers.filter((peer) => samples[peer]);
  if (!samples[name] || there.length === 0) return null;
  return Object.fromEntries(KINDS.map((kind) => {
    const key = clock ? `${kind}Clock` : kind;
    const middle = (peer) => median(samples[peer][key].filter((value) => value !== null));
    const peer = there.reduce((a, b) => (middle(a) >= middle(b) ? a : b));
    return [kind, { ...ratio(samples[name][key], samples[peer][key]), peer }];
  }));
}

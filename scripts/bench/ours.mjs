// Our engine as an application calls it, for a Node process and for a page: prompt and decode answer { tokens, us, clockUs }, all in microseconds, `us` by the processor time where there is one.

/**
 * @param createEngine of the bundle
 * @param options of createEngine: `build` names a build ('best': whichever the engine takes), `threads` their number
 * @param stamp `() => [us, clockUs]`
 * @throws where the engine runs on another build, or on another number of threads, than it was asked for
 */
export async function ourEngine(createEngine, { build, threads, ...options }, stamp) {
  const engine = await createEngine({ ...options, threads, prefixCache: false, ...(build === 'best' ? {} : { build }) });
  const { backend } = engine;
  if ((build !== 'best' && backend.build !== build) || backend.threads !== threads) {
    engine.dispose();
    throw new Error(`expected the build ${build} on ${threads} thread${threads === 1 ? '' : 's'}, found ${backend.build} on ${backend.threads}`);
  }
  return { facts: { build: backend.build, threads: backend.threads }, ...answers(engine, stamp), dispose: () => { engine.dispose(); } };
}

/** How fast an engine answers greedily under a blend of `adapters`, or as it is. */
export function answers(engine, stamp) {
  const stampsOf = async (ids, maxTokens, adapters) => {
    const session = engine.session({ temperature: 0, adapters });
    const stamps = [stamp()];
    for await (const _ of session.complete(ids, { maxTokens, endTokens: [], onToken: () => { stamps.push(stamp()); } })) void _;
    session.dispose();
    return stamps;
  };
  return {
    async prompt({ ids }, adapters) {
      const [start, first] = await stampsOf(ids, 1, adapters);
      return { tokens: ids.length, ...between(start, first) };
    },
    async decode({ ids }, count, adapters) {
      const [, first, ...others] = await stampsOf(ids, count + 1, adapters);
      return { tokens: others.length, ...between(first, others.at(-1)) };
    },
  };
}

export const between = ([us, clockUs], [laterUs, laterClockUs]) => ({ us: laterUs - us, clockUs: laterClockUs - clockUs });

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type MatchableModule, matchModules } from '../../src/adapters/match.js';
import { isLorikeetError } from '../../src/errors.js';
import { parseAdapterConfig } from '../../src/formats/peft.js';

interface Case {
  config: Record<string, unknown>;
  targets?: Record<string, [rank: number, alpha: number, scaling: number]>;
  saved?: string[];
  tokens?: Record<string, number[]>;
  error?: string;
}
const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as unknown;
const golden = read('tests/adapters/match-golden.json') as Record<string, { architecture: string | null; modules: MatchableModule[]; cases: Case[] }>;
const tables = read('tests/golden/target_modules_by_architecture.json') as Record<string, string[]>;

const against = suite('matchModules: what PEFT selects');
for (const [name, { architecture, modules, cases }] of Object.entries(golden)) {
  for (const { config, targets, saved, tokens, error } of cases) {
    const { peft_type: _, ...shown } = config;
    against(`${name} ${JSON.stringify(shown)}`, () => {
      const match = () => matchModules(modules, parseAdapterConfig(JSON.stringify(config)), { architecture });
      if (error !== undefined) {
        assert.throws(match, (e: unknown) => isLorikeetError(e) && e.code.startsWith('adapter/'));
        return;
      }
      const result = match().modules;
      const ours = Object.fromEntries(result.filter((m) => m.target).map((m) => [m.module, [m.target!.rank, m.target!.alpha, m.target!.scaling]]));
      assert.equal(ours, Object.fromEntries(modules.filter(({ path }) => targets![path]).map(({ path }) => [path, targets![path]])));
      const wrapped = saved!;
      const expected = modules.filter(({ path }) => wrapped.some((w) => path === w || path.startsWith(`${w}.`))).map(({ path }) => path);
      assert.equal(result.filter((m) => m.saved).map((m) => m.module), expected);
      assert.equal(Object.fromEntries(result.filter((m) => m.tokens).map((m) => [m.module, m.tokens!.indices])), Object.fromEntries(modules.filter(({ path }) => tokens![path]).map(({ path }) => [path, tokens![path]])));
    });
  }
}
against.run();

const llama = golden['llama']!.modules;
const parse = (config: Record<string, unknown>) => parseAdapterConfig(JSON.stringify({ peft_type: 'LORA', ...config }));
const chosen = (config: Record<string, unknown>, targetModules: readonly string[] | string) =>
  matchModules(llama, parse(config), { targetModules }).modules.filter((m) => m.target).map((m) => m.module);

const beyond = suite('matchModules: beyond PEFT');

beyond('the table by architecture is PEFT\'s', () => {
  for (const [architecture, table] of Object.entries(tables)) {
    if (!['llama', 'mistral', 'qwen2', 'qwen3', 'gemma3_text', 'gpt2'].includes(architecture)) continue;
    const modules = table.map((name) => ({ path: `layers.0.${name}`, kind: 'linear' as const }));
    assert.is(matchModules([...modules, { path: 'layers.0.other', kind: 'linear' }], parse({}), { architecture }).modules.filter((m) => m.target).length, table.length, architecture);
  }
  assert.throws(() => matchModules(llama, parse({}), { architecture: 'toString' }), (e: unknown) => isLorikeetError(e, 'adapter/no-target'));
  assert.throws(() => matchModules(llama, parse({})), (e: unknown) => isLorikeetError(e, 'adapter/no-target'));
});

beyond('a caller narrows in every form, and never widens', () => {
  const config = { target_modules: ['q_proj', 'v_proj'] };
  assert.equal(chosen(config, ['layers.3.self_attn.q_proj', 'k_proj']), ['model.layers.3.self_attn.q_proj']);
  assert.equal(chosen(config, '.*layers\\.1[01]\\..*v_proj'), ['model.layers.10.self_attn.v_proj', 'model.layers.11.self_attn.v_proj']);
  assert.is(chosen(config, 'all-linear').length, 24);
  assert.equal(chosen(config, []), []);
  const narrowed = matchModules(llama, parse(config), { targetModules: ['v_proj'] }).modules.find((m) => m.module.endsWith('0.self_attn.q_proj'))!;
  assert.ok(narrowed.narrowed && narrowed.target === null);
  assert.is(narrowed.reason, 'left out by targetModules');
});

beyond('reasons and unused patterns are told', () => {
  const { modules, warnings } = matchModules(llama, parse({ target_modules: ['q_proj', 'model.layers.0.mlp.up_proj'], exclude_modules: ['layers.1.self_attn.q_proj'], modules_to_save: ['lm_head'], rank_pattern: { q_proj: 2, k_proj: 3 } }));
  const reason = (path: string) => modules.find((m) => m.module === path)!.reason;
  assert.is(reason('model.layers.0.self_attn.q_proj'), 'ends with q_proj');
  assert.is(reason('model.layers.0.mlp.up_proj'), 'named in target_modules');
  assert.is(reason('model.layers.1.self_attn.q_proj'), 'in exclude_modules');
  assert.is(reason('lm_head'), 'in modules_to_save');
  assert.is(reason('model.layers.0.self_attn.k_proj'), 'not in target_modules');
  assert.is(warnings.length, 1);
  assert.match(warnings[0]!, /rank_pattern.*k_proj/);
});

beyond('codes', () => {
  const code = (config: Record<string, unknown>) => {
    try { matchModules(llama, parse(config)); } catch (e) { return isLorikeetError(e) ? e.code : String(e); }
    return 'none';
  };
  assert.is(code({ target_modules: ['c_attn'] }), 'adapter/no-target');
  assert.is(code({ target_modules: ['mlp'] }), 'adapter/module-unsupported');
  assert.is(code({ target_modules: ['norm'] }), 'adapter/module-unsupported');
  assert.is(code({ target_modules: ['q_proj'], modules_to_save: ['j_proj', '_proj'] }), 'adapter/config-invalid');
  assert.is(code({ target_modules: ['q_proj'], trainable_token_indices: { wte: [1] } }), 'adapter/no-target');
});
beyond.run();

import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isLorikeetError } from '../../src/errors.js';
import { type AdapterConfig, parseAdapterConfig } from '../../src/formats/peft.js';

const parse = (config: Record<string, unknown>): AdapterConfig => parseAdapterConfig(JSON.stringify({ peft_type: 'LORA', ...config }));
const refusal = (run: () => unknown): [code: string, message: string] => {
  try { run(); } catch (e) { if (isLorikeetError(e)) return [e.code, e.message]; throw e; }
  return ['none', ''];
};
const codeOf = (config: Record<string, unknown>) => refusal(() => parse(config))[0];

const read = suite('parseAdapterConfig');

read('only peft_type is required; the rest has PEFT\'s defaults', () => {
  const { warnings, rank_pattern, alpha_pattern, ...rest } = parse({});
  assert.equal(rest, {
    peft_type: 'LORA', task_type: null, base_model_name_or_path: null, r: 8, lora_alpha: 8, target_modules: null, exclude_modules: null, layers_to_transform: null, layers_pattern: null, bias: 'none',
    use_rslora: false, use_dora: false, lora_bias: false, fan_in_fan_out: false, modules_to_save: null, trainable_token_indices: null, alora_invocation_tokens: null, init_lora_weights: true, ensure_weight_tying: false,
  });
  assert.equal([warnings, [...rank_pattern], [...alpha_pattern]], [[], [], []]);
});

read('every key of PEFT\'s own defaults is known, and they mean the defaults', () => {
  const defaults = JSON.parse(readFileSync('tests/golden/lora_config_defaults.json', 'utf8')) as Record<string, unknown>;
  const { warnings, ...config } = parse({ ...defaults, peft_type: 'LORA' });
  const { warnings: _, ...standard } = parse({});
  assert.equal(warnings, []);
  assert.equal(config, standard);
});

read('every adapter of the goldens is read without a warning', () => {
  let count = 0;
  for (const model of readdirSync('tests/golden/models')) {
    for (const adapter of readdirSync(`tests/golden/models/${model}/adapters`)) {
      const text = readFileSync(`tests/golden/models/${model}/adapters/${adapter}/adapter_config.json`, 'utf8');
      const config = parseAdapterConfig(text);
      const plain = JSON.parse(text) as { r: number; lora_alpha: number; target_modules: unknown };
      assert.equal([config.r, config.lora_alpha, config.target_modules, config.warnings], [plain.r, plain.lora_alpha, plain.target_modules, []], `${model}/${adapter}`);
      count++;
    }
  }
  assert.ok(count > 100);
});

read('one value or a list is a list; empty is none', () => {
  const config = parse({ target_modules: ['q'], layers_to_transform: 3, layers_pattern: 'h' });
  assert.equal([config.layers_to_transform, config.layers_pattern], [[3], ['h']]);
  const empty = parse({ target_modules: ['q'], layers_to_transform: [], layers_pattern: [], exclude_modules: '', rank_pattern: null, alora_invocation_tokens: [] });
  assert.equal([empty.layers_to_transform, empty.layers_pattern, empty.exclude_modules, empty.rank_pattern.size, empty.alora_invocation_tokens], [null, null, null, 0, null]);
  assert.is(parse({ target_modules: 'All-Linear' }).target_modules, 'all-linear');
});

read('patterns keep the file\'s order, numeric names too', () => {
  assert.equal([...parseAdapterConfig('{"peft_type":"LORA","rank_pattern":{"z":1,"10":2,"a":3,"2":4,"__proto__":5}}').rank_pattern.keys()], ['z', '10', 'a', '2', '__proto__']);
});

read('token indices by list and by module', () => {
  assert.equal(parse({ trainable_token_indices: [5, 3] }).trainable_token_indices, [5, 3]);
  assert.equal([...(parse({ trainable_token_indices: { wte: [1], lm_head: [2, 3] } }).trainable_token_indices as ReadonlyMap<string, number[]>)], [['wte', [1]], ['lm_head', [2, 3]]]);
});

read('the result is frozen', () => {
  const config = parse({ target_modules: ['q'] });
  assert.throws(() => { (config as { r: number }).r = 1; }, TypeError);
  assert.throws(() => { (config.target_modules as string[]).push('v'); }, TypeError);
});

read('unknown keys are warnings that name them', () => {
  const { warnings } = parse({ shiny_new_option: { a: 1 }, 'üx': null });
  assert.is(warnings.length, 2);
  assert.match(warnings[0]!, /"shiny_new_option"/);
});

read('harmless initialisations and options pass', () => {
  for (const init of [true, false, 'gaussian', 'eva', 'orthogonal', 'mica', null]) assert.is(codeOf({ init_lora_weights: init }), 'none', String(init));
  assert.is(codeOf({ lora_dropout: 0.3, inference_mode: true, revision: 'main', auto_mapping: {}, qalora_group_size: 32, megatron_core: 'x', loftq_config: { loftq_bits: 4 }, eva_config: { rho: 2 }, corda_config: {}, peft_version: '9.9', runtime_config: {} }), 'none');
});
read.run();

const refused = suite('parseAdapterConfig: refusals');
const invalid: Record<string, unknown>[] = [
  ...[-1, 0, 1.5, '8', null, true, [8], {}, 1e300].map((r) => ({ r })),
  ...['16', null, false, [], {}].map((lora_alpha) => ({ lora_alpha })),
  ...[5, {}, [1], [null], [['q']], true].map((target_modules) => ({ target_modules })),
  ...[5, {}, [1], true].map((exclude_modules) => ({ exclude_modules })),
  ...[-1, 1.5, '1', [1, 'a'], [-1], {}, [null], true].map((layers_to_transform) => ({ target_modules: ['q'], layers_to_transform })),
  ...[5, {}, [5]].map((layers_pattern) => ({ target_modules: ['q'], layers_to_transform: [1], layers_pattern })),
  ...[5, [], 'q', { q: 0 }, { q: -1 }, { q: 1.5 }, { q: '4' }, { q: null }, { q: true }].map((rank_pattern) => ({ rank_pattern })),
  ...[5, [], { q: '4' }, { q: null }, { q: [1] }].map((alpha_pattern) => ({ alpha_pattern })),
  ...['some', true, null, 0].map((bias) => ({ bias })),
  ...['use_rslora', 'use_dora', 'lora_bias', 'fan_in_fan_out', 'ensure_weight_tying'].flatMap((key) => [{ [key]: 'true' }, { [key]: 1 }, { [key]: [] }]),
  ...['lm_head', 5, {}, [5], [['a']]].map((modules_to_save) => ({ modules_to_save })),
  ...[5, 'a', [-1], [1.5], ['a'], { a: 5 }, { a: [-1] }, { a: ['b'] }].map((trainable_token_indices) => ({ trainable_token_indices })),
  ...[5, 'a', [-1], [1.5], {}].map((alora_invocation_tokens) => ({ alora_invocation_tokens })),
  ...[5, [], {}].map((init_lora_weights) => ({ init_lora_weights })),
  { task_type: 5 }, { base_model_name_or_path: [] },
  { target_modules: '.*q', layers_to_transform: [1] }, { target_modules: 'all-linear', layers_to_transform: [] }, { target_modules: '.*q', layers_pattern: 'h' }, { target_modules: ['q'], layers_pattern: 'h' },
  { lora_bias: true, use_dora: true }, { alora_invocation_tokens: [1], use_dora: true },
];
for (const config of invalid) {
  refused(`adapter/config-invalid: ${JSON.stringify(config)}`, () => {
    const [code, message] = refusal(() => parse(config));
    assert.is(code, 'adapter/config-invalid');
    assert.ok(Object.keys(config).some((key) => message.includes(key)) && message.endsWith('.') && !message.includes('[object'), message);
  });
}

refused('adapter/config-invalid: texts', () => {
  for (const text of ['', '{', '[]', 'null', '"LORA"', '{"peft_type":"LORA","r":8,"r":4}', '{"peft_type":"LORA","lora_alpha":NaN}', '{"peft_type":"LORA","lora_alpha":Infinity}', '{"peft_type":"LORA","lora_alpha":1e999}', `{"peft_type":"LORA","x":${'['.repeat(1000)}`]) {
    assert.is(refusal(() => parseAdapterConfig(text))[0], 'adapter/config-invalid', text.slice(0, 60));
  }
});

refused('adapter/peft-type: another method, or none', () => {
  for (const config of [{ peft_type: 'LOHA' }, { peft_type: 'lora' }, { peft_type: null }, { peft_type: {} }]) assert.is(codeOf(config), 'adapter/peft-type');
  assert.is(refusal(() => parseAdapterConfig('{}'))[0], 'adapter/peft-type');
});

refused('adapter/config-unsupported: options that change the result, by name', () => {
  const options: Record<string, unknown> = {
    megatron_config: { tensor_model_parallel_size: 2 }, layer_replication: [[0, 4], [2, 5]], target_parameters: ['experts.gate_up_proj'], use_qalora: true, use_bdlora: { nblocks: 2 }, arrow_config: { top_k: 3 }, monteclora_config: { num_samples: 8 },
    kasa_config: { beta: 0.1 }, velora_config: { num_groups: 64 }, enable_lora: [true, false, true],
  };
  for (const [key, value] of Object.entries(options)) {
    const [code, message] = refusal(() => parse({ [key]: value }));
    assert.is(code, 'adapter/config-unsupported', key);
    assert.ok(message.includes(key), message);
  }
  for (const init of ['pissa', 'pissa_niter_16', 'olora', 'OLoRA', 'corda', 'loftq', 'lora_ga', 'something_new', '']) {
    const [code, message] = refusal(() => parse({ init_lora_weights: init }));
    assert.is(code, 'adapter/config-unsupported', init);
    assert.match(message, /base weights/);
  }
  assert.match(refusal(() => parse({ init_lora_weights: 'pissa' }))[1], /path_initial_model_for_weight_conversion/);
});

refused('adapter/config-regex: patterns, wherever they stand', () => {
  for (const config of [{ target_modules: '(' }, { target_modules: '(?>a)b' }, { exclude_modules: '(a)\\1' }, { rank_pattern: { '[': 1 } }, { alpha_pattern: { 'a**': 1 } }, { modules_to_save: ['('] }, { target_modules: ['q'], layers_to_transform: [1], layers_pattern: ['h', '('] }]) {
    assert.is(codeOf(config), 'adapter/config-regex', JSON.stringify(config));
  }
});

refused('adapter/config-regex: many heavy patterns together', () => {
  const heavy = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`(a|b${i}){500}`, 1]));
  assert.is(codeOf({ rank_pattern: heavy }), 'adapter/config-regex');
  const plain = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`model.layers.${i}.q_proj`, 1]));
  assert.is(codeOf({ rank_pattern: plain }), 'none');
});
refused.run();

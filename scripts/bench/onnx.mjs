// A model of one MatMul, Y [m, n] = X [m, k] · W [k, n], written as protobuf (github.com/onnx/onnx, onnx/onnx.proto): W is an initializer, so that
// onnxruntime may pack it once, when the session is made.

const FLOAT = 1;

/** @param {Float32Array} w [k, n], row-major */
export function matmulModel(w, m, n, k) {
  const graph = [
    message(1, [text(1, 'X'), text(1, 'W'), text(2, 'Y'), text(4, 'MatMul')]), // node: inputs, output, op_type
    text(2, 'matmul'),
    message(5, [number(1, k), number(1, n), number(2, FLOAT), text(8, 'W'), bytes(9, new Uint8Array(w.buffer, w.byteOffset, w.byteLength))]), // initializer: dims, data_type, name, raw_data
    valueInfo(11, 'X', [m, k]),
    valueInfo(12, 'Y', [m, n]),
  ];
  return flatten([number(1, 8), message(7, graph), message(8, [number(2, 17)])]); // ir_version, graph, opset_import
}

const valueInfo = (field, name, dims) => // name, type.tensor_type { elem_type, shape { dim { dim_value } } }
  message(field, [text(1, name), message(2, [message(1, [number(1, FLOAT), message(2, dims.map((dim) => message(1, [number(1, dim)])))])])]);

const number = (field, value) => [varint(field << 3), varint(value)];
const text = (field, value) => bytes(field, new TextEncoder().encode(value));
const message = (field, parts) => bytes(field, flatten(parts));
const bytes = (field, data) => [varint((field << 3) | 2), varint(data.length), data];

function varint(value) {
  const out = [];
  for (; value > 127; value = Math.floor(value / 128)) out.push((value & 127) | 128);
  out.push(value);
  return Uint8Array.from(out);
}

function flatten(parts) {
  const list = parts.flat(Infinity);
  const out = new Uint8Array(list.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of list) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

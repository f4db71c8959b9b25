"""Writes a GGUF file again with its matrices in 16 bits: convert_gguf.py SOURCE OUT BF16|F16. Needs the package gguf.

Quantised blocks are expanded exactly and then rounded, so the model is the one that a checkpoint made from the same
file holds, and llama.cpp and our engine multiply equally wide weights.
"""

import os
import sys

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, dequantize
from gguf.quants import quantize

source, out, wanted = sys.argv[1:]
kind = GGMLQuantizationType[wanted]
file_type = {"F16": 1, "BF16": 32}[wanted]  # llama.cpp's LLAMA_FTYPE_MOSTLY_…
reader = GGUFReader(source)
writer = GGUFWriter(out + ".part", reader.fields["general.architecture"].contents())
for name, field in reader.fields.items():
    if name.startswith("GGUF.") or name == "general.architecture":
        continue
    value = file_type if name == "general.file_type" else field.contents()
    inner = field.types[1] if field.types[0] == GGUFValueType.ARRAY else None
    writer.add_key_value(name, value, field.types[0], sub_type=inner)
for tensor in reader.tensors:
    values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
    if values.ndim > 1:
        writer.add_tensor(tensor.name, quantize(values, kind), raw_dtype=kind)
    else:
        writer.add_tensor(tensor.name, values)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
os.rename(out + ".part", out)

/**
 * Inverse frequencies of rotary position embeddings, headDim / 2 numbers, in float64.
 *
 * Pair i of a head turns by position · f_i with f_i = base^(-2i / headDim), then the checkpoint's scaling:
 * - default: as is
 * - linear:  f_i / factor
 * - llama3:  wavelengths beyond originalPositions / lowFreqFactor are divided by `factor`, those below
 *            originalPositions / highFreqFactor stay, those between are interpolated (the scheme of Llama 3.1)
 */

export type RopeScaling =
  | { type: "default" }
  | { type: "linear"; factor: number }
  | {
      type: "llama3";
      factor: number;
      lowFreqFactor: number;
      highFreqFactor: number;
      originalPositions: number;
    };

export function ropeInverseFrequencies(headDim: number, base: number, scaling: RopeScaling): Float64Array {
  const frequencies = new Float64Array(headDim / 2);
  for (let pair = 0; pair < frequencies.length; pair++) {
    frequencies[pair] = scaled(1 / base ** ((2 * pair) / headDim), scaling);
  }
  return frequencies;
}

function scaled(frequency: number, scaling: RopeScaling): number {
  if (scaling.type === "default") return frequency;
  if (scaling.type === "linear") return frequency / scaling.factor;
  const { factor, lowFreqFactor, highFreqFactor, originalPositions } = scaling;
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength < originalPositions / highFreqFactor) return frequency;
  if (wavelength > originalPositions / lowFreqFactor) return frequency / factor;
  const kept = (originalPositions / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return (1 - kept) * (frequency / factor) + kept * frequency;
}

import Foundation
import Testing

@testable import AlambicFiles

@Suite struct ModelConfigurationTests {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    /// The config.json of `gpt2` on the Hugging Face hub, abridged.
    let gpt2 = """
        {
          "activation_function": "gelu_new",
          "architectures": [
            "GPT2LMHeadModel"
          ],
          "attn_pdrop": 0.1,
          "bos_token_id": 50256,
          "embd_pdrop": 0.1,
          "initializer_range": 0.02,
          "layer_norm_epsilon": 1e-05,
          "model_type": "gpt2",
          "n_ctx": 1024,
          "n_embd": 768,
          "n_head": 12,
          "n_layer": 12,
          "n_positions": 1024,
          "resid_pdrop": 0.1,
          "summary_type": "cls_index",
          "task_specific_params": {
            "text-generation": {
              "do_sample": true
            }
          },
          "vocab_size": 50257
        }
        """

    @Test func readsGPT2() throws {
        let file = try scratch.put("config.json", gpt2)
        let configuration = try ModelConfiguration(contentsOf: file)
        #expect(try configuration.modelType == "gpt2")
        let gpt = try GPT2Configuration(configuration)
        var expected = GPT2Configuration(
            layers: 12, width: 768, heads: 12, context: 1024, vocabulary: 50257, dropout: 0.1)
        expected.attentionDropout = 0.1
        #expect(gpt == expected)
        #expect(gpt.innerWidth == 3072 && gpt.tiesHead && gpt.layerNormEpsilon == 1e-5)
        #expect(try configuration.compression == nil)
    }

    @Test func unknownKeysAndTheirOrderSurvive() throws {
        let file = try scratch.put("config.json", gpt2)
        var configuration = try ModelConfiguration(contentsOf: file)
        var gpt = try GPT2Configuration(configuration)
        gpt.layers = 6
        gpt.write(into: &configuration)
        try configuration.write(to: file)
        let text = try scratch.text("config.json")
        #expect(text.contains("\"summary_type\": \"cls_index\""))
        #expect(text.contains("\"n_layer\": 6"))
        #expect(text.contains("\"bos_token_id\": 50256"))
        let again = try ModelConfiguration(contentsOf: file)
        #expect(again.object == configuration.object)
        #expect(
            Array(again.object.keys.prefix(5)) == [
                "activation_function", "architectures", "attn_pdrop", "bos_token_id", "embd_pdrop",
            ])
        #expect(try GPT2Configuration(again) == gpt)
    }

    @Test func makesItsOwn() throws {
        let gpt = GPT2Configuration(layers: 4, width: 128, heads: 4, context: 128, vocabulary: 256, dropout: 0.2)
        #expect(try GPT2Configuration(gpt.modelConfiguration) == gpt)
        #expect(gpt.modelConfiguration.object["eos_token_id"] == .null)
    }

    @Test(arguments: [
        (#""n_head": 12"#, #""n_head": 7"#, "a divisor of n_embd (768), found 7"),
        (#""n_head": 12"#, #""n_head": 0"#, "from 1 to"), (#""n_layer": 12"#, #""n_layer": -1"#, "found -1"),
        (#""n_embd": 768"#, #""n_embd": 1e30"#, "n_embd"), (#""n_embd": 768,"#, "", "no such key"),
        (#""vocab_size": 50257"#, #""vocab_size": "many""#, "found \"many\""),
        (#""resid_pdrop": 0.1"#, #""resid_pdrop": 1.0"#, "from 0 to below 1"),
        (#""resid_pdrop": 0.1"#, #""resid_pdrop": 0.9999999999"#, "from 0 to below 1"),
        (#""resid_pdrop": 0.1"#, #""resid_pdrop": NaN"#, "a finite number"),
        (#""layer_norm_epsilon": 1e-05"#, #""layer_norm_epsilon": 0"#, "a positive number"),
        (#""gelu_new""#, #""relu""#, "found \"relu\""), (#""model_type": "gpt2""#, #""model_type": "llama""#, "llama"),
        (#""n_ctx": 1024"#, #""scale_attn_by_inverse_layer_idx": true"#, "not supported"),
    ])
    func wrongValuesAreNamed(old: String, new: String, words: String) throws {
        #expect(gpt2.contains(old))
        let file = try scratch.put("config.json", gpt2.replacingOccurrences(of: old, with: new))
        let error = fileError("\(new)") { _ = try GPT2Configuration(try ModelConfiguration(contentsOf: file)) }
        #expect(error?.path == file.path)
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test func directoriesWithoutOne() throws {
        #expect(fileError { _ = try ModelConfiguration(modelDirectory: scratch["none"]) }?.kind == .missing)
        #expect(
            fileError { _ = try ModelConfiguration(modelDirectory: scratch.url) }?.path.hasSuffix("config.json") == true
        )
        try scratch.put("file", "x")
        #expect(fileError { _ = try ModelConfiguration(modelDirectory: scratch["file"]) }?.kind == .notADirectory)
        try scratch.put("config.json", "")
        #expect(fileError { _ = try ModelConfiguration(modelDirectory: scratch.url) }?.kind == .empty)
    }

    @Test func readsCompressedTensors() throws {
        // As llm-compressor writes it (W8A8, dynamic per token), with a sparsity section.
        let file = try scratch.put(
            "config.json",
            """
            {"model_type": "gpt2", "quantization_config": {
              "config_groups": {"group_0": {
                "input_activations": {"actorder": null, "block_structure": null, "dynamic": true, "group_size": null,
                  "num_bits": 8, "observer": null, "observer_kwargs": {}, "strategy": "token", "symmetric": true,
                  "type": "int"},
                "output_activations": null, "targets": ["Linear"],
                "weights": {"actorder": null, "block_structure": null, "dynamic": false, "group_size": null,
                  "num_bits": 8, "observer": "minmax", "observer_kwargs": {}, "strategy": "channel",
                  "symmetric": true, "type": "int"}}},
              "format": "int-quantized", "global_compression_ratio": 1.5, "ignore": ["lm_head"],
              "kv_cache_scheme": null, "quant_method": "compressed-tensors", "quantization_status": "compressed",
              "sparsity_config": {"format": "sparse-bitmask", "global_sparsity": 0.5,
                "registry_requires_subclass": false, "sparsity_structure": "unstructured", "targets": ["Linear"]}}}
            """)
        var configuration = try ModelConfiguration(contentsOf: file)
        let compression = try #require(try configuration.compression)
        #expect(
            compression == .int8(ignored: ["lm_head"], sparsity: .init(targets: ["Linear"], globalSparsity: 0.5)))
        // Written again, unknown keys stay.
        configuration.setCompression(compression)
        #expect(configuration.object["quantization_config"]?["global_compression_ratio"]?.double == 1.5)
        #expect(try configuration.compression == compression)
    }

    @Test func makesCompressions() throws {
        let all: [Compression] = [
            .int8(ignored: ["lm_head"]),
            .int8(targets: ["re:.*c_fc"], sparsity: .init(targets: ["x"], globalSparsity: 0.8)),
            Compression(sparsity: .init(targets: ["Linear"], globalSparsity: 0.8)),
            Compression(
                format: "pack-quantized",
                groups: [
                    .init(targets: ["Linear"], weights: .init(bits: 4, strategy: "group", groupSize: 128), inputs: nil)
                ]),
            Compression(integers: [(.int4(group: 32), ["a", "b"])], ignored: ["c"]),
            Compression(integers: [(.int8, ["a"]), (.int4(group: 32), ["b"]), (.int4(group: 128), ["c"])]),
        ]
        #expect(all[4].format == "pack-quantized" && all[4].groups[0].format == nil)
        #expect(all[5].format == "mixed-precision" && all[5].groups[2].format == "pack-quantized")
        for compression in all {
            var configuration = ModelConfiguration(["model_type": "gpt2"])
            configuration.setCompression(compression)
            try configuration.write(to: scratch["config.json"])
            #expect(try ModelConfiguration(contentsOf: scratch["config.json"]).compression == compression)
        }
        // Sparse alone: nothing but what compressed-tensors takes for "not quantized" stands beside the sparsity.
        #expect(all[2].object.keys == ["quant_method", "sparsity_config"])
        var configuration = ModelConfiguration(["model_type": "gpt2"])
        configuration.setCompression(all[0])
        configuration.setCompression(nil)
        #expect(configuration.object.keys == ["model_type"])
    }

    @Test func foreignQuantizationIsNamed() throws {
        let configuration = ModelConfiguration(["quantization_config": ["quant_method": "gptq", "bits": 4]])
        let error = fileError { _ = try configuration.compression }
        #expect(error?.description.contains("\"gptq\"") == true)
        let missing = ModelConfiguration([
            "quantization_config": ["quant_method": "compressed-tensors", "format": "x", "config_groups": ["g": [:]]]
        ])
        #expect(
            fileError { _ = try missing.compression }?.problem == "key 'quantization_config.config_groups.g.targets'")
    }

    @Test func generation() throws {
        try scratch.put("g.json", #"{"temperature": 0.5, "top_k": 40, "do_sample": true, "eos_token_id": 3}"#)
        var generation = try GenerationConfiguration(contentsOf: scratch["g.json"])
        #expect(generation.temperature == 0.5 && generation.topK == 40 && generation.topP == 1)
        generation.maximumTokens = 64
        try generation.write(to: scratch["g.json"])
        let again = try GenerationConfiguration(contentsOf: scratch["g.json"])
        #expect(again.maximumTokens == 64 && again.object["eos_token_id"]?.int == 3)
        for text in [#"{"temperature": 0}"#, #"{"top_k": -1}"#, #"{"top_p": 1.5}"#, #"{"max_new_tokens": 0}"#, "[]"] {
            try scratch.put("g.json", text)
            #expect(fileError("\(text)") { _ = try GenerationConfiguration(contentsOf: scratch["g.json"]) } != nil)
        }
    }
}

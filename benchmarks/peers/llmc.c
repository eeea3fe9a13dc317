// llm.c's CPU trainer (github.com/karpathy/llm.c, train_gpt2.c) as a peer of whole training steps: its own functions on a
// random model and random tokens, one line of JSON for each step. Its `main` is left out (TESTING), which is what its own
// tests do. It has no gradient clipping, no dropout and no decay exclusion; its head has the padded vocabulary.
//
//     llmc LAYERS WIDTH HEADS VOCABULARY CONTEXT BATCH STEPS
#define TESTING
#include "train_gpt2.c"

// A uniform number in [-1, 1) (splitmix64; Steele et al., 2014).
static double uniform(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-52 - 1;
}

// A checkpoint of llm.c's version 3 with GPT-2's initial weights: gains 1, biases 0, matrices of deviation 0.02.
static void write_checkpoint(const char *path, GPT2Config config) {
    FILE *file = fopenCheck(path, "wb");
    int header[256] = {20240326, 3, config.max_seq_len, config.vocab_size, config.num_layers, config.num_heads,
                       config.channels, config.padded_vocab_size};
    fwrite(header, sizeof(int), 256, file);
    size_t sizes[NUM_PARAMETER_TENSORS];
    fill_in_parameter_sizes(sizes, config);
    // In the order of llm.c: 0 zeros, 1 ones, w weights, r weights of residual projections.
    const char kinds[] = "ww10w0r010w0r010";
    uint64_t state = 1;
    for (int tensor = 0; tensor < NUM_PARAMETER_TENSORS; tensor++) {
        // A uniform number's deviation is its bound over the root of 3.
        double bound = 0.02 * sqrt(3) / (kinds[tensor] == 'r' ? sqrt(2.0 * config.num_layers) : 1);
        for (size_t i = 0; i < sizes[tensor]; i++) {
            float value = kinds[tensor] == '1' ? 1 : kinds[tensor] == '0' ? 0 : (float)(bound * uniform(&state));
            fwrite(&value, sizeof(float), 1, file);
        }
    }
    fcloseCheck(file);
}

int main(int count, char **arguments) {
    if (count != 8) {
        fprintf(stderr, "llmc LAYERS WIDTH HEADS VOCABULARY CONTEXT BATCH STEPS\n");
        return 64;
    }
    int numbers[8];
    for (int i = 1; i < 8; i++) numbers[i] = atoi(arguments[i]);
    int vocabulary = numbers[4], length = numbers[5], batch = numbers[6], steps = numbers[7];
    GPT2Config config = {
        .max_seq_len = length,
        .vocab_size = vocabulary,
        .padded_vocab_size = (vocabulary + 127) / 128 * 128,
        .num_layers = numbers[1],
        .num_heads = numbers[3],
        .channels = numbers[2],
    };
    char path[] = "/tmp/llmc-XXXXXX";
    int descriptor = mkstemp(path);
    if (descriptor < 0) {
        fprintf(stderr, "llmc: cannot write to /tmp\n");
        return 1;
    }
    close(descriptor);
    write_checkpoint(path, config);
    GPT2 model;
    gpt2_build_from_checkpoint(&model, path);
    unlink(path);

    int tokens = batch * length;
    int *ids = mallocCheck(sizeof(int) * (size_t)tokens), *targets = mallocCheck(sizeof(int) * (size_t)tokens);
    uint64_t state = 2;
    for (int step = 1; step <= steps; step++) {
        for (int i = 0; i < tokens; i++) {
            ids[i] = (int)((uniform(&state) + 1) / 2 * vocabulary);
            targets[i] = (int)((uniform(&state) + 1) / 2 * vocabulary);
        }
        struct timespec before, after;
        clock_gettime(CLOCK_MONOTONIC, &before);
        gpt2_forward(&model, ids, targets, (size_t)batch, (size_t)length);
        gpt2_zero_grad(&model);
        gpt2_backward(&model);
        gpt2_update(&model, 6e-4f, 0.9f, 0.95f, 1e-8f, 0.1f, step);
        clock_gettime(CLOCK_MONOTONIC, &after);
        long long spent = (after.tv_sec - before.tv_sec) * 1000000000LL + (after.tv_nsec - before.tv_nsec);
        printf("{\"step\": %d, \"ns\": %lld, \"tokens\": %d, \"loss\": %.6f}\n", step, spent, tokens, model.mean_loss);
        fflush(stdout);
    }
    gpt2_free(&model);
    return 0;
}

/* A recurrent network in plain C, batches of rows: loss and gradients for every case of a folder.

       rowcol export cases --family rnn --layout rows.txt --format npy
       cc -std=c99 -o rnn rnn.c -lm
       ./rnn cases
       rowcol check cases
*/
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int axes, size[3], count;
    double *at;
} Array;

static Array zeros(int axes, int n0, int n1, int n2) {
    Array a = {axes, {n0, n1, n2}, n0 * n1 * n2, NULL};
    a.at = calloc(a.count ? a.count : 1, sizeof *a.at);
    if (a.at == NULL) exit(3);
    return a;
}

static Array like(Array a) {
    return zeros(a.axes, a.size[0], a.size[1], a.size[2]);
}

static void complain(const char *what, const char *path) {
    fprintf(stderr, "%s: %s\n", path, what);
    exit(2);
}

/* .npy: eight bytes of magic and version, two of the header's length, the header (a text), the numbers. */
static Array load(const char *folder, const char *name) {
    char path[512], header[1024];
    unsigned char start[10];
    snprintf(path, sizeof path, "%s/inputs/%s.npy", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) complain("cannot be opened", path);
    if (fread(start, 1, 10, file) != 10 || memcmp(start, "\x93NUMPY\x01", 7) != 0) complain("is no .npy file", path);
    size_t length = start[8] + 256u * start[9];
    if (length >= sizeof header || fread(header, 1, length, file) != length) complain("has no header", path);
    header[length] = '\0';
    int whole = strstr(header, "'<i8'") != NULL;
    char *shape = strstr(header, "'shape': (");
    if (shape == NULL || (!whole && strstr(header, "'<f8'") == NULL)) complain("holds no float64 or int64", path);
    shape += strlen("'shape': (");
    int axes = 0, size[3] = {1, 1, 1};
    while (*shape != ')' && axes < 3) {
        size[axes++] = (int)strtol(shape, &shape, 10);
        shape += strspn(shape, ", ");
    }
    Array a = zeros(axes, size[0], size[1], size[2]);
    for (int i = 0; i < a.count; i++) {
        long long integer = 0;
        size_t read = whole ? fread(&integer, 8, 1, file) : fread(&a.at[i], 8, 1, file);
        if (read != 1) complain("is cut off", path);
        if (whole) a.at[i] = (double)integer;
    }
    fclose(file);
    return a;
}

static void save(const char *folder, const char *name, Array a) {
    char path[512], shape[64] = "", header[119];
    for (int i = 0; i < a.axes; i++) sprintf(shape + strlen(shape), "%d,", a.size[i]);
    snprintf(path, sizeof path, "%s/answer/%s.npy", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) complain("cannot be written", path);
    /* 10 + 118 bytes before the numbers: a multiple of 64 */
    sprintf(header, "{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }", shape);
    fprintf(file, "\x93NUMPY\x01%c%c%c%-117s\n", 0, 118, 0, header);
    fwrite(a.at, sizeof *a.at, a.count, file);
    fclose(file);
}

static void answer(const char *folder) {
    Array W1 = load(folder, "W1"), W2 = load(folder, "W2"), W3 = load(folder, "W3");
    Array bh = load(folder, "bh"), bo = load(folder, "bo"), X = load(folder, "X"), Y = load(folder, "Y");
    int B = X.size[0], T = X.size[1], I = X.size[2], H = bh.count, O = bo.count;
    Array dW1 = like(W1), dW2 = like(W2), dW3 = like(W3), dbh = like(bh), dbo = like(bo);
    Array loss = zeros(0, 1, 1, 1), start = zeros(1, H, 1, 1);
    Array h = zeros(2, T, H, 1), p = zeros(2, T, O, 1);
    Array dh_next = zeros(1, H, 1, 1), dtanh = zeros(1, H, 1, 1);

    for (int n = 0; n < B; n++) {
        for (int t = 0; t < T; t++) {
            double *x = X.at + (n * T + t) * I, total = 0.0;
            double *h_prev = t > 0 ? h.at + (t - 1) * H : start.at, *now = h.at + t * H, *out = p.at + t * O;
            for (int j = 0; j < H; j++) {
                double sum = bh.at[j];
                for (int i = 0; i < I; i++) sum += x[i] * W1.at[i * H + j];
                for (int i = 0; i < H; i++) sum += h_prev[i] * W2.at[i * H + j];
                now[j] = tanh(sum);
            }
            for (int k = 0; k < O; k++) {
                double score = bo.at[k];
                for (int j = 0; j < H; j++) score += now[j] * W3.at[k * H + j];
                total += out[k] = exp(score);
            }
            for (int k = 0; k < O; k++) out[k] /= total;
            loss.at[0] -= log(out[(int)Y.at[n * T + t]]);
        }

        for (int i = 0; i < H; i++) dh_next.at[i] = 0.0;
        for (int t = T - 1; t >= 0; t--) {
            double *x = X.at + (n * T + t) * I;
            double *h_prev = t > 0 ? h.at + (t - 1) * H : start.at, *now = h.at + t * H, *e = p.at + t * O;
            e[(int)Y.at[n * T + t]] -= 1.0;
            for (int k = 0; k < O; k++) {
                dbo.at[k] += e[k];
                for (int j = 0; j < H; j++) dW3.at[k * H + j] += e[k] * now[j];
            }
            for (int j = 0; j < H; j++) {
                double dh = dh_next.at[j];
                for (int k = 0; k < O; k++) dh += e[k] * W3.at[k * H + j];
                dtanh.at[j] = (1.0 - now[j] * now[j]) * dh;
                dbh.at[j] += dtanh.at[j];
                for (int i = 0; i < I; i++) dW1.at[i * H + j] += x[i] * dtanh.at[j];
                for (int i = 0; i < H; i++) dW2.at[i * H + j] += h_prev[i] * dtanh.at[j];
            }
            for (int i = 0; i < H; i++) {
                dh_next.at[i] = 0.0;
#ifdef WITHOUT_THE_TRANSPOSE
                for (int j = 0; j < H; j++) dh_next.at[i] += dtanh.at[j] * W2.at[j * H + i];
#else
                for (int j = 0; j < H; j++) dh_next.at[i] += dtanh.at[j] * W2.at[i * H + j];
#endif
            }
        }
    }

    save(folder, "loss", loss);
    save(folder, "W1", dW1);
    save(folder, "W2", dW2);
    save(folder, "W3", dW3);
    save(folder, "bh", dbh);
    save(folder, "bo", dbo);
    Array all[] = {W1, W2, W3, bh, bo, X, Y, dW1, dW2, dW3, dbh, dbo, loss, start, h, p, dh_next, dtanh};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i].at);
}

int main(int count, char **words) {
    if (count != 2) {
        fprintf(stderr, "which folder? rnn CASES\n");
        return 2;
    }
    for (int number = 1; number < 1000; number++) {
        char folder[400], first[500];
        snprintf(folder, sizeof folder, "%s/case-%02d", words[1], number);
        snprintf(first, sizeof first, "%s/inputs/X.npy", folder);
        FILE *file = fopen(first, "rb");
        if (file == NULL) break;
        fclose(file);
        answer(folder);
    }
    return 0;
}

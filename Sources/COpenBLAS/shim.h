// The few entry points of OpenBLAS that are called, declared here so that every distribution's header layout works.
#ifndef ALAMBIC_COPENBLAS_H
#define ALAMBIC_COPENBLAS_H
enum { ALAMBIC_CBLAS_ROW_MAJOR = 101, ALAMBIC_CBLAS_NO_TRANS = 111, ALAMBIC_CBLAS_TRANS = 112 };
void cblas_sgemm(int layout, int transA, int transB, int M, int N, int K, float alpha, const float *A, int lda,
                 const float *B, int ldb, float beta, float *C, int ldc);
// LAPACK: Cholesky's factor and the inverse of a triangular matrix, column-major.
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void dtrtri_(const char *uplo, const char *diag, const int *n, double *a, const int *lda, int *info);
void openblas_set_num_threads(int threads);
int openblas_get_num_threads(void);
char *openblas_get_config(void);
// Whoever reads this header is the clang of the Swift toolchain, which also compiles the kernels.
static inline const char *alambic_clang_version(void) { return __clang_version__; }
#endif

// A tile function is one inlined body, compiled for each number of rows and of panels, so that the sums stay in
// registers. CK_TILE_CASES_<MR>(BODY) are the cases of a switch over CK_TILE_KEY, for ck_matmul_panels.
#define CK_TILE_KEY(tile, nr) ((tile)->rows * 16 + ((tile)->columns + (nr) - 1) / (nr))
#define CK_TILE_CASE(BODY, rows, panels)                                                                               \
  case rows * 16 + panels: BODY(tile, rows, panels); break;
#define CK_TILE_CASES_4(BODY)                                                                                          \
  CK_TILE_CASE(BODY, 1, 1) CK_TILE_CASE(BODY, 1, 2) CK_TILE_CASE(BODY, 1, 4)                                           \
  CK_TILE_CASE(BODY, 2, 1) CK_TILE_CASE(BODY, 2, 2) CK_TILE_CASE(BODY, 3, 1) CK_TILE_CASE(BODY, 4, 1)
#define CK_TILE_CASES_6(BODY)                                                                                          \
  CK_TILE_CASES_4(BODY) CK_TILE_CASE(BODY, 3, 2) CK_TILE_CASE(BODY, 5, 1) CK_TILE_CASE(BODY, 6, 1)
#define CK_TILE_CASES_14(BODY)                                                                                         \
  CK_TILE_CASES_6(BODY) CK_TILE_CASE(BODY, 1, 8) CK_TILE_CASE(BODY, 2, 4) CK_TILE_CASE(BODY, 3, 4)                     \
  CK_TILE_CASE(BODY, 4, 2) CK_TILE_CASE(BODY, 5, 2) CK_TILE_CASE(BODY, 6, 2) CK_TILE_CASE(BODY, 7, 1)                  \
  CK_TILE_CASE(BODY, 7, 2) CK_TILE_CASE(BODY, 8, 1) CK_TILE_CASE(BODY, 9, 1) CK_TILE_CASE(BODY, 10, 1)                 \
  CK_TILE_CASE(BODY, 11, 1) CK_TILE_CASE(BODY, 12, 1) CK_TILE_CASE(BODY, 13, 1) CK_TILE_CASE(BODY, 14, 1)

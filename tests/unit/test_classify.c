/* test_classify.c: what the statistical filter sees, and that it learns, scores alike from a file, and is not confused by order or length. */
#include "scan/classify/model.h"

#include "check.h"

#include <math.h>
#include <unistd.h>

static struct feature_sets sets_of(const struct features *f)
{
    struct feature_sets s;

    for (int v = 0; v < FEATURE_VIEWS; v++)
        s.at[v] = features_set(f, (enum feature_view)v, &s.count[v]);
    return s;
}

static struct feature_sets message(struct features *f, const char *subject, const char *text)
{
    features_clear(f);
    features_header(f, STR("Subject"), str_from(subject));
    features_text(f, str_from(text));
    return sets_of(f);
}

static void features_are_a_set_of_words_and_neighbours(void **state)
{
    struct features *f = features_new();
    struct feature_sets s = message(f, "", "one two one two one two");

    (void)state;
    assert_int_equal(s.count[VIEW_CONTENT], 4); /* one, two, one two, two one */
    assert_int_equal(s.count[VIEW_HEADER], 1);
    assert_int_equal(message(f, "", "one, two; (one) two.\n").count[VIEW_CONTENT], 4);
    uint32_t word = message(f, "", "same").at[VIEW_CONTENT][0];
    features_clear(f);
    features_header(f, STR("X"), STR("same"));
    s = sets_of(f);
    assert_int_equal(s.count[VIEW_CONTENT], 0);
    for (size_t i = 0; i < s.count[VIEW_HEADER]; i++)
        assert_true(s.at[VIEW_HEADER][i] != word);
    assert_int_equal(message(f, "", "\346\227\245\346\234\254\350\252\236").count[VIEW_CONTENT], 3); /* two pairs and the last character */
    features_free(&f);
}

static void a_flood_of_words_keeps_its_bounds(void **state)
{
    struct features *f = features_new();
    struct buf text = buf_make(8 << 20);

    (void)state;
    for (int i = 0; i < 300000; i++)
        buf_addf(&text, "word%d ", i);
    features_clear(f);
    features_text(f, buf_str(&text));
    for (int i = 0; i < 100000; i++) {
        char name[32];
        snprintf(name, sizeof name, "X-%d", i);
        features_header(f, str_from(name), STR("a b c"));
    }
    struct feature_sets s = sets_of(f);
    assert_int_equal(s.count[VIEW_CONTENT], FEATURES_MAX);
    assert_int_equal(s.count[VIEW_HEADER], FEATURES_MAX);
    assert_int_equal(message(f, "", "one").count[VIEW_CONTENT], 1); /* and nothing of it is left */
    buf_free(&text);
    features_free(&f);
}

static void it_learns_what_it_is_told(void **state)
{
    struct features *f = features_new();
    struct model *m = model_new(MODEL_BITS_MIN);

    (void)state;
    struct feature_sets s = message(f, "hello", "buy cheap pills now");
    assert_true(model_score(m, &s) == 0.0);
    for (int i = 0; i < 20; i++) {
        s = message(f, "offer", "buy cheap pills now");
        model_learn(m, &s, true, 0.5);
        s = message(f, "lunch", "see you at noon tomorrow");
        model_learn(m, &s, false, 0.5);
    }
    s = message(f, "offer", "cheap pills");
    double spam = model_score(m, &s);
    s = message(f, "lunch", "at noon");
    double ham = model_score(m, &s);
    s = message(f, "nothing", "of that kind");
    double unknown = model_score(m, &s);
    assert_true(spam > 1 && ham < -1 && unknown > ham && unknown < spam);
    assert_int_equal(model_learned(m, true), 20);
    assert_true(isfinite(spam));
    model_close(&m);
    features_free(&f);
}

static void a_file_scores_as_memory_does(void **state)
{
    char directory[] = "/tmp/postern-model-XXXXXX", path[64];
    struct buf error = buf_make(500);
    struct features *f = features_new();

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/model", directory);
    assert_null(model_open(path, MODEL_BITS_MIN, false, &error)); /* there is nothing to score with */
    struct model *m = model_open(path, MODEL_BITS_MIN, true, &error);
    assert_non_null(m);
    struct feature_sets s = message(f, "offer", "buy cheap pills now");
    model_learn(m, &s, true, 0.5);
    double score = model_score(m, &s);
    model_close(&m);
    m = model_open(path, MODEL_BITS_MIN, false, &error);
    assert_non_null(m);
    assert_true(model_score(m, &s) == score && score > 0);
    assert_int_equal(model_learned(m, true), 1);
    model_close(&m);
    FILE *file = fopen(path, "r+e");
    assert_true(file && fputs("NOTHING", file) >= 0 && fclose(file) == 0);
    assert_null(model_open(path, MODEL_BITS_MIN, true, &error));
    assert_int_equal(truncate(path, 100), 0);
    assert_null(model_open(path, MODEL_BITS_MIN, false, &error));
    unlink(path);
    rmdir(directory);
    features_free(&f);
    buf_free(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(features_are_a_set_of_words_and_neighbours), cmocka_unit_test(a_flood_of_words_keeps_its_bounds),
                                       cmocka_unit_test(it_learns_what_it_is_told), cmocka_unit_test(a_file_scores_as_memory_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

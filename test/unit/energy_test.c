/* Energy counters, on a tree of files that looks like /sys/class/powercap. */
#include "unit.h"

#include "tools/energy.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static void put(const char *zone, const char *file, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, zone);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", folder, zone, file);
    FILE *stream = fopen(path, "w");
    if (!stream) return;
    fputs(text, stream);
    fclose(stream);
}

static void put_zone(const char *zone, const char *name, const char *energy)
{
    put(zone, "name", name);
    put(zone, "max_energy_range_uj", "1000000\n");
    put(zone, "energy_uj", energy);
}

static void begin(void)
{
    snprintf(folder, sizeof folder, "/tmp/adze-energy-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
}

static void end(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK_INT(system(command), 0);
}

TEST(packages_are_added_and_their_parts_are_not)
{
    adze_energy meter;
    double mj = -1;
    begin();
    put_zone("intel-rapl:0", "package-0\n", "1000\n");
    put_zone("intel-rapl:0:0", "core\n", "500\n");
    put_zone("intel-rapl:1", "package-1\n", "2000\n");
    put_zone("intel-rapl:2", "psys\n", "7000\n");
    put_zone("intel-rapl-mmio:0", "package-0\n", "1000\n");
    CHECK(adze_energy_open(&meter, folder));
    CHECK_INT(meter.n, 2);
    CHECK(adze_energy_begin(&meter));
    put_zone("intel-rapl:0", "package-0\n", "4000\n");
    put_zone("intel-rapl:0:0", "core\n", "900\n");
    put_zone("intel-rapl:1", "package-1\n", "2500\n");
    put_zone("intel-rapl:2", "psys\n", "9000\n");
    CHECK(adze_energy_end(&meter, &mj));
    CHECK_NEAR(mj, 3.5, 1e-12);
    CHECK_STR(meter.why, "");
    adze_energy_close(&meter);
    end();
}

TEST(a_counter_that_starts_again)
{
    adze_energy meter;
    double mj = -1;
    begin();
    put_zone("intel-rapl:0", "package-0\n", "999000\n");
    setenv("ADZE_POWERCAP", folder, 1);
    CHECK(adze_energy_open(&meter, NULL));
    unsetenv("ADZE_POWERCAP");
    CHECK(adze_energy_begin(&meter));
    put("intel-rapl:0", "energy_uj", "500\n");
    CHECK(adze_energy_end(&meter, &mj));
    CHECK_NEAR(mj, 1.5, 1e-12);
    adze_energy_close(&meter);
    end();
}

/* Opens what cannot be read, and looks for the reason. */
static void check_not(const char *why)
{
    adze_energy meter;
    double mj = -1;
    CHECK(!adze_energy_open(&meter, folder));
    CHECK(strstr(meter.why, why) != NULL);
    if (!strstr(meter.why, why)) printf("  got \"%s\", want \"%s\"\n", meter.why, why);
    CHECK(!adze_energy_begin(&meter) && !adze_energy_end(&meter, &mj));
    CHECK_NEAR(mj, -1, 0);
    adze_energy_close(&meter);
}

TEST(what_cannot_be_read_is_said)
{
    begin();
    check_not("shows no counter of a processor package");
    put("intel-rapl:0", "name", "package-0\n");
    check_not("max_energy_range_uj: No such file");
    put("intel-rapl:0", "max_energy_range_uj", "many\n");
    check_not("max_energy_range_uj: holds no number");
    put("intel-rapl:0", "max_energy_range_uj", "1000\n");
    check_not("energy_uj: No such file");
    put("intel-rapl:0", "energy_uj", "");
    check_not("energy_uj: is empty");
    put("intel-rapl:0", "energy_uj", "-5\n");
    check_not("energy_uj: holds no number");
    end();
    check_not(": No such file");
}

TEST(a_counter_that_goes_away_or_back)
{
    adze_energy meter;
    double mj = -1;
    begin();
    put_zone("intel-rapl:0", "package-0\n", "2000000\n");
    CHECK(adze_energy_open(&meter, folder) && adze_energy_begin(&meter));
    put("intel-rapl:0", "energy_uj", "5\n");
    CHECK(!adze_energy_end(&meter, &mj));
    CHECK(strstr(meter.why, "went back") != NULL);
    adze_energy_close(&meter);
    CHECK(adze_energy_open(&meter, folder) && adze_energy_begin(&meter));
    end();
    CHECK(!adze_energy_end(&meter, &mj));
    CHECK(strstr(meter.why, "No such file") != NULL);
    CHECK_NEAR(mj, -1, 0);
    adze_energy_close(&meter);
}

int main(void)
{
    RUN(packages_are_added_and_their_parts_are_not);
    RUN(a_counter_that_starts_again);
    RUN(what_cannot_be_read_is_said);
    RUN(a_counter_that_goes_away_or_back);
    return unit_end();
}

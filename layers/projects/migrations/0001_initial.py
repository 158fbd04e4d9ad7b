import django.contrib.gis.db.models.fields
import django.contrib.gis.db.models.functions
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import gis.fields
import services.catalog.ids
import services.catalog.quantities
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('enterprises', '0001_initial'),
        ('spatial', '0002_region_code_at'),
    ]

    operations = [
        migrations.CreateModel(
            name='Participation',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('capacity', models.CharField(choices=[('owner', '建设单位'), ('survey', '勘察单位'), ('design', '设计单位'), ('contractor', '施工单位'), ('supervision', '监理单位'), ('testing', '检测单位')], max_length=12, verbose_name='参建角色')),
                ('manager', models.CharField(blank=True, max_length=60, verbose_name='项目负责人')),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='participations', to='enterprises.enterprise', verbose_name='单位')),
            ],
            options={
                'verbose_name': '参建单位',
                'verbose_name_plural': '参建单位',
            },
        ),
        migrations.CreateModel(
            name='Project',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('code', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='编号')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('geom', gis.fields.PointField(blank=True, null=True, srid=4490, verbose_name='位置')),
                ('state', models.CharField(choices=[('planned', '未开工'), ('active', '在建'), ('rectifying', '整改'), ('suspended', '停工'), ('completed', '竣工')], default='planned', max_length=12, verbose_name='状态')),
                ('kind', models.CharField(choices=[('building', '房屋建筑'), ('municipal', '市政基础设施'), ('demolition', '拆除工程')], default='building', max_length=12, verbose_name='工程类别')),
                ('stage', models.CharField(blank=True, choices=[('earthwork', '土石方'), ('foundation', '地基与基础'), ('structure', '主体结构'), ('fit_out', '装饰装修'), ('handover', '竣工验收')], max_length=12, verbose_name='施工阶段')),
                ('address', models.CharField(blank=True, max_length=200, verbose_name='建设地址')),
                ('supervision_number', models.CharField(blank=True, max_length=50, verbose_name='报监编号')),
                ('summary', models.TextField(blank=True, verbose_name='工程简介')),
                ('floor_area', services.catalog.quantities.Quantity(blank=True, null=True, unit='m²', verbose_name='建筑面积')),
                ('contract_price', services.catalog.quantities.Money(blank=True, decimal_places=4, max_digits=18, null=True, unit='万元', verbose_name='合同价格')),
                ('progress', models.PositiveSmallIntegerField(default=0, help_text='百分比，0 至 100', validators=[django.core.validators.MaxValueValidator(100)], verbose_name='形象进度')),
                ('open_problems', models.PositiveIntegerField(default=0, verbose_name='未闭合问题数')),
                ('start_date', models.DateField(blank=True, null=True, verbose_name='开工日期')),
                ('finish_date', models.DateField(blank=True, null=True, verbose_name='计划竣工日期')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.PointField(null=True, srid=3857))),
                ('contractor', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='built_projects', to='enterprises.enterprise', verbose_name='施工单位')),
                ('owner', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='owned_projects', to='enterprises.enterprise', verbose_name='建设单位')),
                ('parties', models.ManyToManyField(related_name='projects', through='projects.Participation', to='enterprises.enterprise', verbose_name='参建单位')),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '工程',
                'verbose_name_plural': '工程',
            },
        ),
        migrations.CreateModel(
            name='ProgressReport',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('reported_on', models.DateField(verbose_name='上报日期')),
                ('stage', models.CharField(choices=[('earthwork', '土石方'), ('foundation', '地基与基础'), ('structure', '主体结构'), ('fit_out', '装饰装修'), ('handover', '竣工验收')], max_length=12, verbose_name='施工阶段')),
                ('percent', models.PositiveSmallIntegerField(help_text='百分比，0 至 100', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)], verbose_name='完成比例')),
                ('note', models.CharField(blank=True, max_length=300, verbose_name='说明')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='progress_reports', to='projects.project', verbose_name='工程')),
            ],
            options={
                'verbose_name': '进度上报',
                'verbose_name_plural': '进度上报',
                'ordering': ['-reported_on'],
            },
        ),
        migrations.CreateModel(
            name='Permit',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('number', models.CharField(max_length=18, unique=True, verbose_name='施工许可证号')),
                ('issued_on', models.DateField(verbose_name='发证日期')),
                ('issued_by', models.CharField(max_length=100, verbose_name='发证机关')),
                ('scope', models.CharField(blank=True, max_length=200, verbose_name='许可范围')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='permits', to='projects.project', verbose_name='工程')),
            ],
            options={
                'verbose_name': '施工许可',
                'verbose_name_plural': '施工许可',
                'ordering': ['-issued_on'],
            },
        ),
        migrations.AddField(
            model_name='participation',
            name='project',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='participations', to='projects.project', verbose_name='工程'),
        ),
        migrations.CreateModel(
            name='NightPermit',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('number', models.CharField(max_length=50, unique=True, verbose_name='许可编号')),
                ('begins_at', models.DateTimeField(verbose_name='开始时间')),
                ('ends_at', models.DateTimeField(verbose_name='结束时间')),
                ('reason', models.CharField(max_length=200, verbose_name='事由')),
                ('issued_by', models.CharField(max_length=100, verbose_name='许可机关')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='night_permits', to='projects.project', verbose_name='工程')),
            ],
            options={
                'verbose_name': '夜间施工许可',
                'verbose_name_plural': '夜间施工许可',
                'ordering': ['-begins_at'],
            },
        ),
        migrations.CreateModel(
            name='Merit',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('decided_on', models.DateField(verbose_name='决定日期')),
                ('kind', models.CharField(choices=[('award', '奖励'), ('penalty', '处罚')], max_length=8, verbose_name='类别')),
                ('title', models.CharField(max_length=200, verbose_name='名称')),
                ('decided_by', models.CharField(max_length=100, verbose_name='决定机关')),
                ('document', models.CharField(blank=True, max_length=60, verbose_name='文号')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='merits', to='projects.project', verbose_name='工程')),
            ],
            options={
                'verbose_name': '奖惩记录',
                'verbose_name_plural': '奖惩记录',
                'ordering': ['-decided_on'],
            },
        ),
        migrations.CreateModel(
            name='GreenReview',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('reviewed_on', models.DateField(verbose_name='评价日期')),
                ('enclosed', models.BooleanField(default=False, verbose_name='工地围挡')),
                ('covered', models.BooleanField(default=False, verbose_name='物料覆盖')),
                ('wet_work', models.BooleanField(default=False, verbose_name='湿法作业')),
                ('paved', models.BooleanField(default=False, verbose_name='路面硬化')),
                ('washed', models.BooleanField(default=False, verbose_name='车辆冲洗')),
                ('closed_transport', models.BooleanField(default=False, verbose_name='密闭运输')),
                ('reviewer', models.CharField(blank=True, max_length=60, verbose_name='评价人')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='green_reviews', to='projects.project', verbose_name='工程')),
            ],
            options={
                'verbose_name': '绿色施工评价',
                'verbose_name_plural': '绿色施工评价',
                'ordering': ['-reviewed_on'],
            },
        ),
        migrations.AddIndex(
            model_name='project',
            index=models.Index(fields=['state'], name='project_state'),
        ),
        migrations.AddConstraint(
            model_name='project',
            constraint=models.CheckConstraint(condition=models.Q(('finish_date', None), ('start_date', None), ('finish_date__gte', models.F('start_date')), _connector='OR'), name='project_dates_in_order', violation_error_message='计划竣工日期不得早于开工日期。'),
        ),
        migrations.AddConstraint(
            model_name='progressreport',
            constraint=models.UniqueConstraint(fields=('project', 'reported_on'), name='progress_once_a_day'),
        ),
        migrations.AddConstraint(
            model_name='participation',
            constraint=models.UniqueConstraint(fields=('project', 'enterprise', 'capacity'), name='participation_once'),
        ),
        migrations.AddConstraint(
            model_name='nightpermit',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('begins_at'))), name='night_permit_times_in_order', violation_error_message='结束时间应晚于开始时间。'),
        ),
    ]
